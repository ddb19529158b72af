//! Templates that nest without brackets, such as `1+1+1` and one `elif` after another.

use lobby_tests::Lobbyd;

use super::Place;

#[actix_rt::test]
async fn chains_of_hundreds_of_links_are_rendered() {
    let daemon = Lobbyd::named("a").start().await;
    let (sum, elif) = ("+1".repeat(900), "{% elif 0 %}".repeat(900));
    let place =
        Place::with(&format!("{{{{ 0{sum} }}}}{{% if 0 %}}{elif}{{% else %}} x{{% endif %}}"));
    let outcome = place.render(&daemon, &[]).await;
    assert_eq!((outcome.status, place.text().as_str()), (Some(0), "900 x"), "{outcome:?}");
}
