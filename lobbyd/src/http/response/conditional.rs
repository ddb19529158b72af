//! Conditional requests: whether the client has the answer already (RFC 9110, section 13).

use actix_web::HttpRequest;
use actix_web::http::header::{EntityTag, Header, IF_NONE_MATCH, IfNoneMatch};

/// The answers that a client has, by their tags.
#[derive(Debug)]
pub(super) struct KnownTags(IfNoneMatch);

impl KnownTags {
    /// What a request says that its client has; `None` if it says nothing that can be read.
    pub(super) fn of(request: &HttpRequest) -> Option<Self> {
        let is_told = request.headers().contains_key(IF_NONE_MATCH);
        is_told.then(|| IfNoneMatch::parse(request).ok()).flatten().map(Self)
    }

    /// Whether the client has the answer of a tag.
    pub(super) fn has(&self, tag: &EntityTag) -> bool {
        match &self.0 {
            IfNoneMatch::Any => true,
            IfNoneMatch::Items(known) => known.iter().any(|known| known.weak_eq(tag)),
        }
    }
}
