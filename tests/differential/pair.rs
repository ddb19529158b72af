//! Pairs: the same thing of the older and of the newer program.

/// A thing of both programs.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pair<T> {
    pub(crate) old: T,
    pub(crate) new: T,
}

impl<T> Pair<T> {
    /// Makes it for the old program, then for the new one.
    pub(crate) fn of(mut make: impl FnMut(Side) -> T) -> Self {
        Self { old: make(Side::Old), new: make(Side::New) }
    }

    /// That of one program.
    pub(crate) fn side(&self, side: Side) -> &T {
        match side {
            Side::Old => &self.old,
            Side::New => &self.new,
        }
    }

    /// Asks both the same, the old one first.
    pub(crate) fn map<U>(&self, mut ask: impl FnMut(&T) -> U) -> Pair<U> {
        Pair { old: ask(&self.old), new: ask(&self.new) }
    }

    /// Both, the old one first.
    pub(crate) fn both(&self) -> [&T; 2] {
        [&self.old, &self.new]
    }
}

/// One of the two programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Old,
    New,
}

impl Side {
    /// A word that may stand in file names and subjects.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Old => "old",
            Self::New => "new",
        }
    }
}
