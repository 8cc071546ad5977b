//! The code that a person carries from one agent to the other: seven random digits and a check digit.

use std::fmt;

use rand_core::{CryptoRng, RngCore};

/// Codes that can be drawn.
const CODES: u32 = 10_000_000;

/// A totally anti-symmetric quasigroup of order 10 (Damm, 2004): catches every wrong digit and every swap of
/// neighbours.
const DAMM: [[u8; 10]; 10] = [
    [0, 3, 1, 7, 5, 9, 8, 6, 4, 2],
    [7, 0, 9, 2, 1, 5, 4, 8, 6, 3],
    [4, 2, 0, 6, 8, 7, 1, 3, 5, 9],
    [1, 7, 5, 0, 9, 8, 3, 4, 2, 6],
    [6, 1, 2, 3, 0, 4, 5, 9, 7, 8],
    [3, 6, 7, 4, 2, 0, 9, 5, 8, 1],
    [5, 8, 6, 9, 7, 2, 0, 1, 3, 4],
    [8, 9, 4, 5, 3, 6, 2, 0, 1, 7],
    [9, 4, 3, 8, 6, 1, 7, 2, 0, 5],
    [2, 5, 8, 1, 4, 3, 6, 7, 9, 0],
];

/// A pairing code, such as `4821-7730`. It is a secret while its offer is open: `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Code([u8; 8]);

/// A text that is no code; found before an attempt is spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// Too short, too long, or other characters.
    #[error("a pairing code has eight digits, such as 4821-7730")]
    Form,
    /// A digit is wrong, or two are swapped.
    #[error("the check digit does not fit: a digit is wrong, or two are swapped; no attempt was used up")]
    CheckDigit,
}

impl Code {
    /// Draws a code; each is as likely as any other.
    pub fn draw(random: &mut (impl RngCore + CryptoRng)) -> Self {
        // Values at the end would make the first codes a little more likely.
        let fair = u32::MAX - u32::MAX % CODES;
        let number = loop {
            let candidate = random.next_u32();
            if candidate < fair {
                break candidate % CODES;
            }
        };
        let mut digits = [0; 8];
        let mut rest = number;
        for digit in digits[..7].iter_mut().rev() {
            *digit = (rest % 10) as u8;
            rest /= 10;
        }
        digits[7] = check(&digits[..7]);
        Self(digits)
    }

    /// What goes into the key exchange.
    pub(super) fn secret(&self) -> &[u8; 8] {
        &self.0
    }
}

impl std::str::FromStr for Code {
    type Err = CodeError;

    fn from_str(text: &str) -> Result<Self, CodeError> {
        let text = text.trim();
        let digits = match text.as_bytes() {
            [first @ .., b'-', a, b, c, d] if first.len() == 4 => [first, &[*a, *b, *c, *d]].concat(),
            other => other.to_vec(),
        };
        let digits: [u8; 8] = digits.try_into().map_err(|_| CodeError::Form)?;
        if !digits.iter().all(u8::is_ascii_digit) {
            return Err(CodeError::Form);
        }
        let digits = digits.map(|digit| digit - b'0');
        if check(&digits) == 0 { Ok(Self(digits)) } else { Err(CodeError::CheckDigit) }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, digit) in self.0.iter().enumerate() {
            if index == 4 {
                f.write_str("-")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(****-****)")
    }
}

/// The digit that makes the whole 0; 0 for a whole that is right.
fn check(digits: &[u8]) -> u8 {
    digits.iter().fold(0, |interim, &digit| DAMM[usize::from(interim)][usize::from(digit)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_core::OsRng;

    #[test]
    fn the_published_example() {
        assert_eq!(check(&[5, 7, 2]), 4);
    }

    #[test]
    fn codes_read_back_with_and_without_the_hyphen() {
        let code = Code::draw(&mut OsRng);
        let text = code.to_string();
        assert_eq!(text.parse(), Ok(code.clone()));
        assert_eq!(text.replace('-', "").parse(), Ok(code.clone()));
        assert_eq!(format!(" {text}\n").parse(), Ok(code.clone()));
        assert_eq!(format!("{code:?}"), "Code(****-****)");
    }

    #[test]
    fn every_slip_of_one_digit_and_every_swap_is_caught() {
        for _ in 0..200 {
            let code = Code::draw(&mut OsRng);
            for at in 0..8 {
                for digit in 0..10 {
                    let mut wrong = code.0;
                    wrong[at] = digit;
                    assert_eq!(check(&wrong) == 0, wrong == code.0);
                }
                let mut swapped = code.0;
                swapped.swap(at, (at + 1) % 8);
                assert!(at == 7 || check(&swapped) != 0 || swapped == code.0);
            }
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in
            ["", "1234567", "123456789", "1234-567", "12-345678", "1234-567a", "١٢٣٤٥٦٧٨", "1234--5678"]
        {
            assert_eq!(text.parse::<Code>(), Err(CodeError::Form), "{text}");
        }
        assert_eq!("0000-0001".parse::<Code>(), Err(CodeError::CheckDigit));
    }
}
