//! The text of an answer, sent and packed in pieces: whoever reads slowly, or from a large fleet, holds one piece at a time.

use std::convert::Infallible;
use std::io::{self, Write};
use std::sync::Arc;

use actix_web::body::SizedStream;
use actix_web::web::Bytes;
use actix_web::{HttpResponse, HttpResponseBuilder};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::stream;

use lobby_core::render::packet_list::PacketListWriter;

/// Longest piece of what was packed, in bytes. actix copies each piece into a buffer of the connection, and the shorter they are, the
/// more often the client is woken up.
const PIECE_LEN: usize = 1 << 20;

/// The text of an answer.
#[derive(Debug)]
pub(super) enum Text {
    /// All of it, in pieces.
    Pieces(Vec<String>),
    /// Everybody, yet to be written.
    Everybody(PacketListWriter),
}

impl Text {
    /// Its length in bytes.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Pieces(pieces) => pieces.iter().map(String::len).sum(),
            Self::Everybody(listing) => listing.text_len(),
        }
    }

    /// All of it.
    pub(super) fn whole(self) -> String {
        match self {
            Self::Pieces(pieces) => pieces.concat(),
            Self::Everybody(listing) => listing.whole(),
        }
    }

    /// All of it, in pieces.
    pub(super) fn pieces(self) -> Vec<Bytes> {
        match self {
            Self::Pieces(pieces) => pieces.into_iter().map(Bytes::from).collect(),
            Self::Everybody(listing) => vec![listing.whole().into()],
        }
    }

    /// Packs it with gzip.
    pub(super) fn gzip(self) -> io::Result<Vec<Bytes>> {
        let mut gzip = GzEncoder::new(Pieces::default(), Compression::fast());
        match self {
            Self::Pieces(pieces) => pieces.iter().try_for_each(|piece| gzip.write_all(piece.as_bytes()))?,
            Self::Everybody(mut listing) => listing.try_for_each(|piece| gzip.write_all(piece.as_bytes()))?,
        }
        Ok(gzip.finish()?.finish())
    }
}

/// Takes bytes and cuts them into pieces.
#[derive(Debug, Default)]
struct Pieces {
    full: Vec<Bytes>,
    open: Vec<u8>,
}

impl Pieces {
    fn finish(mut self) -> Vec<Bytes> {
        self.full.push(self.open.into());
        self.full
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(PIECE_LEN - self.open.len());
        self.open.extend(&bytes[..taken]);
        if self.open.len() == PIECE_LEN {
            self.full.push(std::mem::take(&mut self.open).into());
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Answers with a list that is written while it is sent.
pub(super) fn stream_list(mut response: HttpResponseBuilder, listing: PacketListWriter) -> HttpResponse {
    let len = listing.text_len() as u64;
    response.body(SizedStream::new(len, stream::iter(listing.map(|piece| Ok::<_, Infallible>(Bytes::from(piece))))))
}

/// Answers with pieces that others may be sent, too.
pub(super) fn send_pieces(mut response: HttpResponseBuilder, pieces: Arc<[Bytes]>) -> HttpResponse {
    if let [only] = &*pieces {
        return response.body(only.clone());
    }
    let len = pieces.iter().map(|piece| piece.len() as u64).sum();
    let pieces = (0..pieces.len()).map(move |place| Ok::<_, Infallible>(pieces[place].clone()));
    response.body(SizedStream::new(len, stream::iter(pieces)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_in_pieces_of_one_length_but_for_the_last() {
        let bytes: Vec<_> = (0..PIECE_LEN * 2 + 7).map(|place| (place % 251) as u8).collect();
        let mut pieces = Pieces::default();
        bytes.chunks(1000).for_each(|chunk| pieces.write_all(chunk).unwrap());
        let pieces = pieces.finish();
        assert_eq!(pieces.iter().map(Bytes::len).collect::<Vec<_>>(), [PIECE_LEN, PIECE_LEN, 7]);
        assert_eq!(pieces.concat(), bytes);
    }
}
