//! The text of an answer, sent and packed in pieces: whoever reads slowly, or from a large fleet, holds one piece at a time.

use std::convert::Infallible;
use std::io::{self, Write};

use actix_web::HttpResponse;
use actix_web::HttpResponseBuilder;
use actix_web::body::SizedStream;
use actix_web::web::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::stream;

use crate::logic::listing::Listing;

/// Longest piece, in bytes. actix copies each into a buffer of the connection; the shorter they are, the more often the client is woken up.
const PIECE_LEN: usize = 1 << 20;

/// The text of an answer.
#[derive(Debug)]
pub(super) enum Text {
    /// All of it.
    Whole(String),
    /// Everybody, yet to be written.
    Everybody(Listing),
}

impl Text {
    /// Its length in bytes.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Whole(text) => text.len(),
            Self::Everybody(listing) => listing.text_len(),
        }
    }

    /// All of it.
    pub(super) fn whole(self) -> String {
        match self {
            Self::Whole(text) => text,
            Self::Everybody(listing) => listing.whole(),
        }
    }

    /// Packs it with gzip.
    pub(super) fn gzip(self) -> io::Result<Vec<u8>> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        match self {
            Self::Whole(text) => gzip.write_all(text.as_bytes())?,
            Self::Everybody(mut listing) => listing.try_for_each(|piece| gzip.write_all(piece.as_bytes()))?,
        }
        gzip.finish()
    }
}

/// Answers with a list that is written while it is sent.
pub(super) fn stream_list(mut response: HttpResponseBuilder, listing: Listing) -> HttpResponse {
    let len = listing.text_len() as u64;
    response.body(SizedStream::new(len, stream::iter(listing.map(|piece| Ok::<_, Infallible>(Bytes::from(piece))))))
}

/// Answers with bytes that others may be sent, too.
pub(super) fn send_bytes(mut response: HttpResponseBuilder, bytes: Bytes) -> HttpResponse {
    if bytes.len() <= PIECE_LEN {
        return response.body(bytes);
    }
    response.body(SizedStream::new(bytes.len() as u64, stream::iter(pieces(bytes).map(Ok::<_, Infallible>))))
}

fn pieces(mut bytes: Bytes) -> impl Iterator<Item = Bytes> {
    std::iter::from_fn(move || {
        let piece = bytes.split_to(bytes.len().min(PIECE_LEN));
        (!piece.is_empty()).then_some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_share_the_bytes_and_are_all_of_them() {
        let bytes = Bytes::from((0..PIECE_LEN * 2 + 7).map(|place| (place % 251) as u8).collect::<Vec<_>>());
        let pieces: Vec<_> = pieces(bytes.clone()).collect();
        assert_eq!(pieces.iter().map(Bytes::len).collect::<Vec<_>>(), [PIECE_LEN, PIECE_LEN, 7]);
        assert_eq!(pieces.concat(), bytes);
        assert_eq!(pieces[1].as_ptr(), bytes[PIECE_LEN..].as_ptr());
    }
}
