//! Names, levels and expressions: constructors that carry a hash of what they are made of.
//!
//! From `Init/Prelude.lean`, `Lean/Level.lean` and `Lean/Expr.lean`. A name has its hash; levels and
//! expressions have it in the lower half of a word whose upper half does not depend on names.

use super::region::{Field, Region};
use shim_tests::lean_hash::{lean_hash, mix_hash};

const ANONYMOUS: u64 = 1723;
const LEVEL_ZERO: u64 = 2221;
const EMPTY_LIST: u64 = 7;
const HALF: u64 = u32::MAX as u64;

/// What a constructor may be. Those whose hash does not depend on a name are not among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hashed {
    NameStr,
    NameNum,
    Succ,
    Max,
    IMax,
    Param,
    Sort,
    Const,
    App,
    Lambda,
    ForAll,
    Let,
    Literal,
    Metadata,
    Projection,
}

use Hashed::*;

const ALL: [(Hashed, u8, u8); 15] = [
    (NameStr, 1, 2),
    (NameNum, 2, 2),
    (Succ, 1, 1),
    (Max, 2, 2),
    (IMax, 3, 2),
    (Param, 4, 1),
    (Sort, 3, 1),
    (Const, 4, 2),
    (App, 5, 2),
    (Lambda, 6, 3),
    (ForAll, 7, 3),
    (Let, 8, 4),
    (Literal, 9, 1),
    (Metadata, 10, 2),
    (Projection, 11, 3),
];

impl Hashed {
    /// What the object at `at` is, by its shape and by its hash being what Lean computes.
    pub fn find(region: &Region, at: usize) -> Option<Self> {
        let shape = region.constructor(at)?;
        let data = region.word(region.scalars(at));
        let kinds = ALL.into_iter().filter(|&(_, tag, fields)| (tag, fields) == shape);
        kinds.map(|(kind, ..)| kind).find(|kind| kind.data(region, at) == Some(data))
    }

    /// The word that has the hash of the object at `at`, which is of this kind, from what its parts
    /// have now.
    pub fn data(self, region: &Region, at: usize) -> Option<u64> {
        let part = |i| Part { region, field: region.field(at, i) };
        let half = |i| part(i).half();
        let hash = match self {
            NameStr => return Some(mix_hash(part(0).name()?, part(1).text()?)),
            NameNum => return Some(mix_hash(part(0).name()?, part(1).number()?)),
            Succ => mix_hash(2243, half(0)?),
            Max => mix_hash(2251, mix_hash(half(0)?, half(1)?)),
            IMax => mix_hash(2267, mix_hash(half(0)?, half(1)?)),
            Param => mix_hash(2239, part(0).name()?),
            Sort => mix_hash(11, half(0)?),
            Const => mix_hash(5, mix_hash(part(0).name()?, part(1).levels()?)),
            App => mix_hash(part(0).data()?, part(1).data()?),
            Lambda | ForAll => mix_hash(depth(&[part(1), part(2)])?, mix_hash(half(1)?, half(2)?)),
            Let => {
                let depth = depth(&[part(1), part(2), part(3)])?;
                mix_hash(depth, mix_hash(half(1)?, mix_hash(half(2)?, half(3)?)))
            }
            Literal => mix_hash(3, part(0).literal()?),
            Metadata => mix_hash(depth(&[part(1)])?, half(1)?),
            Projection => {
                let inner = mix_hash(part(1).number()?, half(2)?);
                mix_hash(depth(&[part(2)])?, mix_hash(part(0).name()?, inner))
            }
        };
        Some(region.word(region.scalars(at)) & !HALF | hash & HALF)
    }
}

/// The depth of an expression with these parts; it is in their data.
fn depth(parts: &[Part]) -> Option<u64> {
    let depths: Option<Vec<u64>> =
        parts.iter().map(|part| Some(part.data()? >> 32 & 0xff)).collect();
    Some(depths?.into_iter().max()? + 1)
}

struct Part<'a> {
    region: &'a Region<'a>,
    field: Field,
}

impl Part<'_> {
    fn data(&self) -> Option<u64> {
        let Field::At(at) = self.field else { return None };
        self.region.constructor(at)?;
        Some(self.region.word(self.region.scalars(at)))
    }

    fn half(&self) -> Option<u64> {
        match self.field {
            Field::Number(0) => Some(LEVEL_ZERO),
            _ => Some(self.data()? & HALF),
        }
    }

    fn name(&self) -> Option<u64> {
        match self.field {
            Field::Number(0) => Some(ANONYMOUS),
            _ => self.data(),
        }
    }

    fn number(&self) -> Option<u64> {
        match self.field {
            Field::Number(number) => Some(number),
            Field::At(_) => None,
        }
    }

    fn text(&self) -> Option<u64> {
        match self.field {
            Field::At(at) if self.region.is_string(at) => {
                Some(lean_hash(&self.region.0[self.region.text(at)]))
            }
            _ => None,
        }
    }

    /// `Literal.natVal` and `Literal.strVal` hash as what they hold.
    fn literal(&self) -> Option<u64> {
        let Field::At(at) = self.field else { return None };
        let held = Part { region: self.region, field: self.region.field(at, 0) };
        held.number().or_else(|| held.text())
    }

    fn levels(&self) -> Option<u64> {
        let mut hash = EMPTY_LIST;
        let mut rest = self.field;
        while let Field::At(at) = rest {
            let head = Part { region: self.region, field: self.region.field(at, 0) };
            hash = mix_hash(hash, head.half()?);
            rest = self.region.field(at, 1);
        }
        Some(hash)
    }
}
