//! Bodies of answers: kept and sent as a whole, or written while they are sent. A client that reads
//! slowly holds one piece at a time.

use std::convert::Infallible;
use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::SizedStream;
use actix_web::web::Bytes;
use actix_web::{HttpResponse, HttpResponseBuilder};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::stream::{self, Stream};

use crate::http::response::render_pool::RenderPool;
use lobby_core::render::list::List;
use lobby_core::render::prometheus::Problem;

/// Longest piece of a kept body that is sent at once, in bytes. actix copies each piece into a
/// buffer of the connection, and the shorter they are, the more often the client is woken up. What
/// the buffer took stays with the thread for the next one.
const BODY_PIECE_LEN: usize = 256 << 10;

/// About how long a piece is that is packed while it is sent, in bytes.
const PACKED_PIECE_LEN: usize = 64 << 10;

/// Shortest list that is worth packing, in bytes: a shorter one fits into one packet of the network
/// anyway.
const WORTH_PACKING: usize = 1400;

/// A content coding (RFC 9110, section 8.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ContentCoding {
    /// The text itself.
    Identity,
    /// Packed with gzip.
    Gzip,
}

/// A whole body, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedBody {
    /// Its coding. Short ones are not packed, whatever the client accepts.
    pub coding: ContentCoding,
    /// What is sent.
    pub bytes: Bytes,
}

impl CachedBody {
    /// Writes a whole list in a coding; `None` if the body would be longer than `limit` bytes. The
    /// faults of labels that were met on the way are added to `problems`.
    ///
    /// # Errors
    /// When it cannot be packed.
    pub(super) fn make(
        list: List,
        coding: ContentCoding,
        limit: usize,
        problems: &mut Vec<Problem>,
    ) -> io::Result<Option<Self>> {
        let coded = |coding, bytes: Box<[u8]>| Self { coding, bytes: bytes.into() };
        let text = |text: String| coded(ContentCoding::Identity, text.into_boxed_str().into());
        match coding {
            ContentCoding::Identity => Ok(list.whole(limit, problems).map(text)),
            ContentCoding::Gzip => match list.clone().whole(WORTH_PACKING - 1, &mut Vec::new()) {
                Some(short) => Ok(Some(text(short))),
                None => {
                    let packed = Packer::new(list).whole(limit, problems)?;
                    Ok(packed.map(|bytes| coded(coding, bytes.into())))
                }
            },
        }
    }
}

/// A list that is being packed.
struct Packer {
    list: List,
    gzip: GzEncoder<Vec<u8>>,
}

impl Packer {
    fn new(list: List) -> Self {
        Self { list, gzip: GzEncoder::new(Vec::new(), Compression::fast()) }
    }

    /// Packs the whole list, unless that takes more than `limit` bytes.
    fn whole(mut self, limit: usize, problems: &mut Vec<Problem>) -> io::Result<Option<Vec<u8>>> {
        while let Some(piece) = self.list.next_piece(problems) {
            self.gzip.write_all(piece.as_bytes())?;
            if self.gzip.get_ref().len() > limit {
                return Ok(None);
            }
        }
        self.gzip.finish().map(|packed| (packed.len() <= limit).then_some(packed))
    }

    /// Goes on until there is something to be sent. Returns it with what is still to be packed.
    fn next(mut self) -> io::Result<(Bytes, Option<Self>)> {
        for piece in self.list.by_ref() {
            self.gzip.write_all(piece.as_bytes())?;
            if self.gzip.get_ref().len() >= PACKED_PIECE_LEN {
                return Ok((std::mem::take(self.gzip.get_mut()).into(), Some(self)));
            }
        }
        Ok((self.gzip.finish()?.into(), None))
    }
}

/// Answers with a whole body that others may be sent, too.
pub(super) fn send(mut response: HttpResponseBuilder, body: Bytes) -> HttpResponse {
    if body.len() <= BODY_PIECE_LEN {
        return response.body(body);
    }
    let len = body.len();
    let pieces = (0..len)
        .step_by(BODY_PIECE_LEN)
        .map(move |from| body.slice(from..len.min(from + BODY_PIECE_LEN)));
    response.body(SizedStream::new(len as u64, stream::iter(pieces.map(Ok::<_, Infallible>))))
}

/// Answers with a list that is written while it is sent. Without a length it is sent in chunks.
pub(super) fn send_list(
    mut response: HttpResponseBuilder,
    list: List,
    len: Option<usize>,
) -> HttpResponse {
    let pieces = InTurns { list, passes: true };
    match len {
        Some(len) => response.body(SizedStream::new(len as u64, pieces)),
        None => response.streaming(pieces),
    }
}

/// Answers a HEAD request as one that would get a list of this length, or one in chunks.
pub(super) fn send_head(mut response: HttpResponseBuilder, len: Option<usize>) -> HttpResponse {
    let nothing = stream::empty::<Result<Bytes, Infallible>>();
    match len {
        Some(len) => response.body(SizedStream::new(len as u64, nothing)),
        None => response.streaming(nothing),
    }
}

/// Answers with a list that is packed while it is sent, off this thread, which has others to serve.
pub(super) fn send_packed(
    mut response: HttpResponseBuilder,
    list: List,
    pool: RenderPool,
) -> HttpResponse {
    response.streaming(stream::try_unfold(Some(Packer::new(list)), move |packer| {
        let pool = pool.clone();
        async move {
            let Some(packer) = packer else { return Ok(None) };
            pool.run(|| packer.next()).await.map_err(io::Error::other)?.map(Some)
        }
    }))
}

/// The pieces of a list. After each of them other connections of this thread have their turn.
struct InTurns {
    list: List,
    passes: bool,
}

impl Stream for InTurns {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.passes = !self.passes;
        if self.passes {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(self.list.next().map(|piece| Ok(piece.into())))
    }
}
