//! Token: the check of the `Authorization` header.

use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

/// Whether the value of an `Authorization` header gives the token: `Token T`, `Bearer T` or, as
/// lobby 1.x takes it too, `T` alone. The scheme is read in any case (RFC 9110, section 11.1).
///
/// Takes the same time wherever the texts differ, and whatever their lengths are: it is hashes that
/// are compared.
pub(super) fn gives_token(authorization: &[u8], token: &str) -> bool {
    let expected = Sha256::digest(token);
    let equals = |text: &[u8]| Sha256::digest(text).ct_eq(&expected);
    let with_scheme = without_scheme(authorization).map_or(Choice::from(0), equals);
    (with_scheme | equals(authorization)).into()
}

/// What follows the scheme, if it is one of ours.
fn without_scheme(authorization: &[u8]) -> Option<&[u8]> {
    let space = authorization.iter().position(|byte| *byte == b' ')?;
    let (scheme, credentials) = authorization.split_at(space);
    let ours = scheme.eq_ignore_ascii_case(b"token") || scheme.eq_ignore_ascii_case(b"bearer");
    ours.then(|| credentials.trim_ascii_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(authorization: &str) -> bool {
        gives_token(authorization.as_bytes(), "s3cret")
    }

    #[test]
    fn the_token_is_taken_bare_and_behind_either_scheme() {
        for authorization in [
            "Token s3cret",
            "s3cret",
            "Bearer s3cret",
            "token s3cret",
            "BEARER s3cret",
            "Token  s3cret",
        ] {
            assert!(accepts(authorization), "{authorization}");
        }
    }

    #[test]
    fn anything_else_is_not_the_token() {
        for authorization in [
            "",
            "Token",
            "Token ",
            "s3cre",
            "s3crett",
            "S3cret",
            "Basic s3cret",
            "Tokens3cret",
            "Token Token s3cret",
            "Token s3cret x",
        ] {
            assert!(!accepts(authorization), "{authorization}");
        }
    }

    #[test]
    fn a_token_may_hold_spaces_and_look_like_a_scheme() {
        for token in ["a b", "Token x", "žluť"] {
            for authorization in
                [token.to_owned(), format!("Token {token}"), format!("Bearer {token}")]
            {
                assert!(gives_token(authorization.as_bytes(), token), "{authorization}");
            }
        }
    }
}
