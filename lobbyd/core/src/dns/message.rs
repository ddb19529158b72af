//! Messages: questions read from bytes, and answers written as bytes that fit the way they go.

use hickory_proto::op::{
    Edns, Header, Message, MessageType, Metadata, OpCode, Query, ResponseCode,
};
use hickory_proto::rr::RecordType;
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder, BinEncodable, BinEncoder};

use super::reply::Reply;

/// Longest answer over UDP: what passes every network in one piece.
const MAX_UDP: u16 = 1232;

/// Longest answer over UDP to a client that does not say how much it takes.
const MAX_WITHOUT_EDNS: u16 = 512;

/// Least bytes of a record: a name of two bytes, and an IPv4 address.
const MIN_RECORD: u16 = 16;

/// The length of an EDNS record without options, which ends an answer.
const EDNS_LEN: u16 = 11;

/// The first byte of flags of an EDNS record from a client that wants DNSSEC, and of its answer.
const DNSSEC_OK: u8 = 0x80;

/// Where the header of a message says what it holds: TC, and the numbers of answers, authorities
/// and additional records.
const FLAGS: usize = 2;
const TRUNCATED: u8 = 0x02;
const ANSWERS: usize = 6;
const AUTHORITIES: usize = 8;
const ADDITIONALS: usize = 10;

/// The way that a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// In a datagram, which must be short.
    Udp,
    /// In a stream, behind two bytes of length.
    Tcp,
}

/// A message that was read.
pub(super) enum Request {
    /// It is a question.
    Question(Box<Question>),
    /// It is not a question that can be answered; this says why not.
    Refused(Vec<u8>),
    /// It is left alone.
    Ignored,
}

/// A question, and how its answer is written.
pub(super) struct Question {
    /// What is asked for.
    pub(super) query: Query,
    metadata: Metadata,
    transport: Transport,
    edns: Option<Edns>,
}

/// Reads a message. An answer is not answered, or two servers could go on for ever.
pub(super) fn read(bytes: &[u8], transport: Transport) -> Request {
    let mut decoder = BinDecoder::new(bytes);
    let Ok(Header { metadata, counts }) = Header::read(&mut decoder) else {
        return Request::Ignored;
    };
    if metadata.message_type == MessageType::Response {
        return Request::Ignored;
    }
    if metadata.op_code != OpCode::Query {
        return refused(&metadata, ResponseCode::NotImp);
    }
    if counts.queries != 1 || counts.answers != 0 {
        return refused(&metadata, ResponseCode::FormErr);
    }
    let Ok(query) = Query::read(&mut decoder) else {
        return refused(&metadata, ResponseCode::FormErr);
    };
    if query.query_type == RecordType::IXFR || counts.authorities != 0 {
        let is_transfer = query.query_type == RecordType::IXFR;
        let code = if is_transfer { ResponseCode::Refused } else { ResponseCode::FormErr };
        return refused(&metadata, code);
    }
    let additionals = usize::from(counts.additionals);
    match Message::read_records(&mut decoder, additionals, true, metadata.op_code) {
        Ok((_, edns, _)) => {
            Request::Question(Box::new(Question { query, metadata, transport, edns }))
        }
        Err(_) => refused(&metadata, ResponseCode::FormErr),
    }
}

/// An answer without its question, of which nothing was understood.
fn refused(request: &Metadata, code: ResponseCode) -> Request {
    response(request, code).to_vec().map_or(Request::Ignored, Request::Refused)
}

/// A response without records.
fn response(request: &Metadata, code: ResponseCode) -> Message {
    let mut message = Message::response(request.id, request.op_code);
    message.metadata = Metadata::response_from_request(request);
    message.metadata.response_code = code;
    message
}

impl Question {
    /// More records than this do not fit in the answer.
    pub(super) fn max_records(&self) -> usize {
        usize::from(self.max_len() / MIN_RECORD) + 1
    }

    /// The longest answer, in bytes.
    fn max_len(&self) -> u16 {
        match (self.transport, &self.edns) {
            (Transport::Tcp, _) => u16::MAX,
            (Transport::Udp, None) => MAX_WITHOUT_EDNS,
            (Transport::Udp, Some(edns)) => edns.max_payload().clamp(MAX_WITHOUT_EDNS, MAX_UDP),
        }
    }

    /// The answer as bytes. Records that do not fit are left out, and the answer says so, unless
    /// they are additional ones.
    pub(super) fn answer(self, reply: Reply) -> Option<Vec<u8>> {
        let is_known = self.edns.as_ref().is_none_or(|edns| edns.version() == 0);
        let reply = if is_known { reply } else { Reply::refusal(ResponseCode::BADVERS) };
        let (max_len, code, has_edns) = (self.max_len(), reply.code, self.edns.is_some());
        let wants_dnssec = self.edns.as_ref().is_some_and(|edns| edns.flags().dnssec_ok);
        let message = self.message(reply);
        let mut bytes = Vec::with_capacity(MAX_WITHOUT_EDNS.into());
        let mut encoder = BinEncoder::new(&mut bytes);
        encoder.set_max_size(if has_edns { max_len - EDNS_LEN } else { max_len });
        message.emit(&mut encoder).ok()?;
        // What was written of a record that does not fit is still there.
        let len = encoder.offset();
        bytes.truncate(len);
        let is_whole = count(&bytes, ANSWERS) == message.answers.len()
            && count(&bytes, AUTHORITIES) == message.authorities.len();
        if is_whole {
            bytes[FLAGS] &= !TRUNCATED;
        }
        if has_edns {
            push_edns(&mut bytes, code, wants_dnssec);
        }
        Some(bytes)
    }

    fn message(self, reply: Reply) -> Message {
        let mut message = response(&self.metadata, reply.code);
        message.metadata.authoritative = reply.is_authoritative;
        message.add_query(self.query);
        message.answers = reply.answers;
        message.authorities = reply.authorities;
        message.additionals = reply.additionals;
        message
    }
}

/// One of the numbers in the header.
fn count(message: &[u8], at: usize) -> usize {
    usize::from(u16::from_be_bytes([message[at], message[at + 1]]))
}

/// Adds the EDNS record: how much is taken over UDP, and the high bits of the response code. The
/// bit that asks for DNSSEC is copied, as RFC 3225 wants it also of servers that sign nothing.
fn push_edns(message: &mut Vec<u8>, code: ResponseCode, wants_dnssec: bool) {
    let [size_high, size_low] = MAX_UDP.to_be_bytes();
    let [_, opt] = u16::from(RecordType::OPT).to_be_bytes();
    let flags = if wants_dnssec { DNSSEC_OK } else { 0 };
    message.extend([0, 0, opt, size_high, size_low, code.high(), 0, flags, 0, 0, 0]);
    let place = ADDITIONALS..ADDITIONALS + 2;
    let additionals = u16::from_be_bytes([message[place.start], message[place.start + 1]]);
    message[place].copy_from_slice(&additionals.saturating_add(1).to_be_bytes());
}
