//! Health: what a row of checks says of a program.

/// Whether a program is well, by its checks so far. It is not before enough of them have passed.
#[derive(Debug, Clone)]
pub(super) struct Health {
    /// Checks in a row that must pass.
    rise: u32,
    /// Checks in a row that must fail.
    fall: u32,
    is_well: bool,
    /// Checks in a row that said the opposite.
    against: u32,
}

impl Health {
    /// A program of which nothing is known yet.
    pub(super) fn new(rise: u32, fall: u32) -> Self {
        Self { rise, fall, is_well: false, against: 0 }
    }

    /// Takes in a check. Returns whether the program is well from now on, if that is news.
    pub(super) fn take_in(&mut self, has_passed: bool) -> Option<bool> {
        if has_passed == self.is_well {
            self.against = 0;
            return None;
        }
        self.against += 1;
        if self.against < if has_passed { self.rise } else { self.fall } {
            return None;
        }
        (self.is_well, self.against) = (has_passed, 0);
        Some(has_passed)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Whether a program is well after all of these checks, in another way: the last row that was
    /// long enough for its kind decides.
    fn expected(checks: &[bool], rise: usize, fall: usize) -> bool {
        let row =
            |end: usize| checks[..end].iter().rev().take_while(move |it| **it == checks[end - 1]);
        let ends = (1..=checks.len()).rev();
        let mut decided = ends.filter(|end| {
            let enough = if checks[end - 1] { rise } else { fall };
            row(*end).count() >= enough
        });
        decided.next().is_some_and(|end| checks[end - 1])
    }

    proptest! {
        #[test]
        fn the_last_row_that_was_long_enough_decides(
            checks in prop::collection::vec(any::<bool>(), 0..60),
            rise in 1_u32..5,
            fall in 1_u32..5,
        ) {
            let mut health = Health::new(rise, fall);
            for (at, check) in checks.iter().enumerate() {
                let before = health.is_well;
                let news = health.take_in(*check);
                let now = expected(&checks[..=at], rise as usize, fall as usize);
                prop_assert_eq!(health.is_well, now);
                prop_assert_eq!(news, (before != now).then_some(now));
            }
        }

        #[test]
        fn checks_that_flap_faster_than_both_rows_change_nothing(
            checks in prop::collection::vec(any::<bool>(), 0..60),
        ) {
            let mut health = Health::new(3, 3);
            let flapping = checks.iter().flat_map(|check| [*check, !*check, *check, !*check]);
            prop_assert!(flapping.map(|check| health.take_in(check)).all(|news| news.is_none()));
        }
    }
}
