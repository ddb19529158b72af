//! The page for people: three files that tell nothing of the fleet. What it shows it asks of the
//! API, with the token that its reader gives it. Its addresses are relative, so that it works
//! beneath the path of a proxy.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, EntityTag, Header as _,
    IfNoneMatch, LOCATION, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::{HttpRequest, HttpResponse};

/// What the page may do: run its own script, look as its own sheet says, ask its own server.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

/// A file of the page.
struct PageFile {
    content_type: &'static str,
    text: &'static str,
}

const PAGE: PageFile =
    PageFile { content_type: "text/html; charset=utf-8", text: include_str!("index.html") };

const SCRIPT: PageFile =
    PageFile { content_type: "text/javascript; charset=utf-8", text: include_str!("lobby.js") };

const STYLE: PageFile =
    PageFile { content_type: "text/css; charset=utf-8", text: include_str!("lobby.css") };

/// Whether this path is one of the page's files, which need no token.
pub(super) fn is_file(path: &str) -> bool {
    ["/ui", "/ui/", "/ui/lobby.js", "/ui/lobby.css"].contains(&path)
}

/// `GET /ui`: the page.
pub(super) async fn page(request: HttpRequest) -> HttpResponse {
    PAGE.answer(&request)
}

/// `GET /ui/lobby.js`: what it does.
pub(super) async fn script(request: HttpRequest) -> HttpResponse {
    SCRIPT.answer(&request)
}

/// `GET /ui/lobby.css`: how it looks.
pub(super) async fn style(request: HttpRequest) -> HttpResponse {
    STYLE.answer(&request)
}

/// `GET /ui/`: on to the page, whose relative addresses would miss from here.
pub(super) async fn to_page() -> HttpResponse {
    HttpResponse::PermanentRedirect().insert_header((LOCATION, "../ui")).finish()
}

impl PageFile {
    /// The file, or 304 to a browser that has it already.
    fn answer(&self, request: &HttpRequest) -> HttpResponse {
        let tag = self.tag();
        let known = match IfNoneMatch::parse(request) {
            Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|known| known.weak_eq(&tag)),
            _ => false,
        };
        let mut answer = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
        answer
            .insert_header((CONTENT_TYPE, self.content_type))
            .insert_header((ETAG, tag))
            .insert_header((CACHE_CONTROL, "no-cache"))
            .insert_header((CONTENT_SECURITY_POLICY, POLICY))
            .insert_header((REFERRER_POLICY, "no-referrer"))
            .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"));
        if known { answer.finish() } else { answer.body(self.text) }
    }

    /// Another text has another tag.
    fn tag(&self) -> EntityTag {
        let mut hash = DefaultHasher::new();
        self.text.hash(&mut hash);
        EntityTag::new_strong(format!("{:016x}", hash.finish()))
    }
}
