//! Digests of several values, none of which can be taken for another.

use crate::store::pack::Digest;

/// Counts up when the same input is to get another key.
const VERSION: &str = "lake-shim key 1";

/// Values in order. Each goes in with its length, so that `ab`, `c` is not `a`, `bc`.
#[derive(Debug)]
pub struct Fields(Vec<u8>);

impl Fields {
    /// No values yet. `kind` says what they will be: equal values of another kind are not equal.
    pub fn new(kind: &str) -> Self {
        let mut fields = Self(Vec::new());
        fields.add(VERSION).add(kind);
        fields
    }

    pub fn add(&mut self, value: impl AsRef<[u8]>) -> &mut Self {
        let value = value.as_ref();
        self.0.extend((value.len() as u64).to_le_bytes());
        self.0.extend(value);
        self
    }

    /// Adds a list as one value.
    pub fn add_all<T: AsRef<[u8]>>(&mut self, values: impl IntoIterator<Item = T>) -> &mut Self {
        let mut list = Self(Vec::new());
        for value in values {
            list.add(value);
        }
        self.add(list.0)
    }

    pub fn digest(&self) -> Digest {
        Digest::of(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_lists_are_one() {
        let lists: [&[&[&str]]; 9] = [
            &[],
            &[&[]],
            &[&[""]],
            &[&["ab", "c"]],
            &[&["a", "bc"]],
            &[&["abc"]],
            &[&["ab"], &["c"]],
            &[&["ab", "c"], &[]],
            &[&[], &["ab", "c"]],
        ];
        let digest = |kind: &str, lists: &[&[&str]]| {
            let mut fields = Fields::new(kind);
            for list in lists {
                fields.add_all(*list);
            }
            fields.digest()
        };
        let mut digests: Vec<_> = lists.iter().map(|lists| digest("a", lists)).collect();
        digests.push(digest("b", &[]));
        assert_eq!(digest("a", lists[3]), digests[3]);
        digests.sort();
        digests.dedup();
        assert_eq!(digests.len(), 10);
    }
}
