use std::pin::Pin;
use std::time::Duration;

use actix_rt::time;
use awc::error::PayloadError;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::Stream;

use crate::client::MAX_ANSWER;

/// The lines of an answer, as they come.
pub(super) struct Lines {
    chunks: Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>>,
    text: Vec<u8>,
    /// How much of the text is known to hold no end of a line.
    searched: usize,
}

impl Lines {
    pub(super) fn new(chunks: impl Stream<Item = Result<Bytes, PayloadError>> + 'static) -> Self {
        Self { chunks: Box::pin(chunks), text: Vec::new(), searched: 0 }
    }

    /// Waits for a line. The error says why there is none, in words.
    pub(super) async fn next(&mut self, silence_limit: Duration) -> Result<Vec<u8>, String> {
        loop {
            if let Some(line) = self.take_line() {
                return Ok(line);
            }
            if self.text.len() > MAX_ANSWER {
                return Err(format!("an event is longer than {} MiB", MAX_ANSWER >> 20));
            }
            match time::timeout(silence_limit, self.chunks.next()).await {
                Err(_) => return Err(format!("nothing came for {silence_limit:?}")),
                // What is gone with a crash of the daemon ends without an error, too.
                Ok(None) => return Err("the connection was closed".to_owned()),
                Ok(Some(Err(error))) => return Err(error.to_string()),
                Ok(Some(Ok(chunk))) => self.text.extend_from_slice(&chunk),
            }
        }
    }

    fn take_line(&mut self) -> Option<Vec<u8>> {
        let found = self.text[self.searched..].iter().position(|byte| *byte == b'\n');
        let Some(end) = found.map(|end| self.searched + end) else {
            self.searched = self.text.len();
            return None;
        };
        let rest = self.text.split_off(end + 1);
        let mut line = std::mem::replace(&mut self.text, rest);
        line.truncate(end);
        self.searched = 0;
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use futures_util::stream;

    use super::*;

    fn lines(chunks: &'static [&'static str]) -> Lines {
        Lines::new(stream::iter(chunks).map(|chunk| Ok(Bytes::from_static(chunk.as_bytes()))))
    }

    #[actix_rt::test]
    async fn lines_come_whole_however_they_are_cut() {
        let mut lines = lines(&["o", "ne\ntw", "", "o\n\nthree\nrest"]);
        for expected in ["one", "two", "", "three"] {
            let line = lines.next(Duration::from_secs(1)).await.unwrap();
            assert_eq!(String::from_utf8(line).unwrap(), expected);
        }
        let end = lines.next(Duration::from_secs(1)).await;
        assert_eq!(end, Err("the connection was closed".to_owned()));
    }

    #[actix_rt::test]
    async fn silence_and_errors_are_told() {
        let mut silent = Lines::new(stream::pending());
        let limit = Duration::from_millis(20);
        assert_eq!(silent.next(limit).await, Err("nothing came for 20ms".to_owned()));
        let error = PayloadError::Io(io::Error::other("reset"));
        let mut broken = Lines::new(stream::iter([Err(error)]));
        assert!(broken.next(limit).await.is_err_and(|cause| cause.contains("reset")));
    }
}
