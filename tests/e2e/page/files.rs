//! The files of the page.

use lobby_tests::Lobbyd;

/// All that the page may do.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

#[actix_rt::test]
async fn the_files_are_open_and_tell_nothing() {
    let daemon = Lobbyd::named("secret-name").set("TOKEN", "s3cret").start().await;
    for (path, content_type) in
        [("/ui", "text/html"), ("/ui/lobby.js", "text/javascript"), ("/ui/lobby.css", "text/css")]
    {
        let answer = daemon.get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.header("content-type").unwrap().starts_with(content_type), "{path}");
        assert_eq!(answer.header("content-security-policy"), Some(POLICY), "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), None, "{path}");
        assert!(!answer.text().contains("secret-name"), "{path}");
    }
    assert_eq!(daemon.get("/ui/other.js").await.status, 403, "what is not there is no file");
}

#[actix_rt::test]
async fn a_browser_that_has_a_file_is_told_so() {
    let daemon = Lobbyd::named("a").start().await;
    let first = daemon.get("/ui/lobby.js").await;
    let tag = first.header("etag").unwrap();
    let again = daemon.request("GET", "/ui/lobby.js", &[("If-None-Match", tag)], "").await;
    assert_eq!((again.status, again.text().as_str()), (304, ""));
    let other = daemon.request("GET", "/ui/lobby.js", &[("If-None-Match", "\"other\"")], "").await;
    assert_eq!((other.status, other.text()), (200, first.text()));
    assert_eq!(daemon.request("POST", "/ui", &[], "").await.status, 405);
}

#[actix_rt::test]
async fn a_slash_at_the_end_leads_to_the_page() {
    let answer = Lobbyd::named("a").start().await.get("/ui/").await;
    assert_eq!((answer.status, answer.header("location")), (308, Some("../ui")));
}
