//! Proof: the signature of a packet as a host keeps it, so that the packet can be shown to others.

use crate::wire::envelope::Signature;

/// The bytes of a code.
pub(crate) type Code = [u8; 32];

/// What a signed packet proves, beside what is kept of its host anyway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Proof {
    timestamp: u64,
    code: Option<Code>,
    code2: Option<Code>,
    /// The number in the field `ttl`, which the second code covers.
    pub(crate) ttl: Option<u64>,
}

impl Proof {
    /// The proof of a signature, if its codes are in a form in which lobbyd writes them.
    pub(crate) fn of(signature: &Signature<'_>, ttl: Option<u64>) -> Option<Self> {
        let [code, code2] = [&signature.code, &signature.code2]
            .map(|code| code.as_ref().map(|text| from_hex(text)));
        // One that is there must be kept as it is, or another one would count.
        let kept = |code: Option<Option<Code>>| match code {
            Some(None) => None,
            Some(code) => Some(code),
            None => Some(None),
        };
        let (code, code2) = (kept(code)?, kept(code2)?);
        Some(Self { timestamp: signature.timestamp, code, code2, ttl })
    }

    /// The signature.
    pub(crate) fn signature(self) -> Signature<'static> {
        let [code, code2] = [self.code, self.code2].map(|code| Some(to_hex(&code?).into()));
        Signature { timestamp: self.timestamp, code, code2 }
    }
}

/// The text of a code: lower-case hexadecimal digits.
pub(crate) fn to_hex(code: &[u8]) -> String {
    code.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The code of a text, if it is one.
pub(crate) fn from_hex(text: &str) -> Option<Code> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let (mut code, mut all) = (Code::default(), 0);
    if pairs.len() != code.len() || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in code.iter_mut().zip(pairs) {
        let [high, low] = [high, low].map(|digit| DIGITS[usize::from(*digit)]);
        *byte = high << 4 | low;
        all |= high | low;
    }
    (all < NO_DIGIT).then_some(code)
}

/// More than any digit.
const NO_DIGIT: u8 = 16;

/// The value of each byte as a digit.
const DIGITS: [u8; 256] = {
    let (mut digits, mut value) = ([NO_DIGIT; 256], 0);
    while value < NO_DIGIT {
        digits[b"0123456789abcdef"[value as usize] as usize] = value;
        value += 1;
    }
    digits
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_gives_its_signature_back() {
        let [code, code2] = ["0a".repeat(32), "ff".repeat(32)].map(|text| Some(text.into()));
        for [code, code2] in [[code.clone(), code2.clone()], [code, None], [None, code2]] {
            let signature = Signature { timestamp: 7, code, code2 };
            let proof = Proof::of(&signature, Some(30)).unwrap();
            assert_eq!((proof.signature(), proof.ttl), (signature, Some(30)));
        }
    }

    #[test]
    fn a_code_in_another_form_makes_no_proof() {
        let texts =
            ["", "0A", &"0A".repeat(32), &"0g".repeat(32), &"0".repeat(63), &"0a".repeat(33)];
        for odd in texts {
            let code = Some(odd.to_owned().into());
            let signature = Signature { timestamp: 7, code, code2: None };
            assert_eq!(Proof::of(&signature, None), None, "{odd}");
        }
    }
}
