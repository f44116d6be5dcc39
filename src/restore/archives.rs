//! Which store's archives a restore takes.
//!
//! Two stores may have different archives of one name: the name says what went into a module, and two builds
//! of the same need not have the same bytes. Lake rebuilds what was built against other bytes. So one store
//! answers for everything, if one has it all.

use super::ledger::Origin;
use crate::mathlib::ltar::{Head, HeadError};
use crate::mathlib::names::NamedModule;
use crate::store::Stores;
use rayon::prelude::*;
use std::collections::HashSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The need for a module's archive.
#[derive(Clone, Copy, Debug)]
pub enum Need<'a> {
    /// Nothing: it is there, from this origin, or from a pack.
    Known(Option<&'a Origin>),
    Wanted,
}

/// An archive for a module, as found in a store.
#[derive(Clone, Debug)]
pub enum Archive {
    Found {
        source: PathBuf,
        head: Head,
        /// Taken before the archive is opened: another one may take its place.
        origin: Origin,
    },
    /// A file that is no archive of the module. The reason names it.
    Unfit(String),
    /// Nothing, or nothing is needed.
    None,
}

/// Chooses archives for `modules`: all from one store if one has what is wanted and what is there already,
/// which then comes from it too; else the first that is fit. Where everything is there, and not from several
/// stores, nothing is looked up.
pub fn choose(modules: &[&NamedModule], needs: &[Need], stores: &Stores) -> Vec<Archive> {
    let is_wanted = |i: &usize| matches!(needs[*i], Need::Wanted);
    let wanted: Vec<_> = (0..modules.len()).filter(is_wanted).collect();
    let mut chosen = vec![Archive::None; modules.len()];
    let stores_of = needs.iter().filter_map(|need| need.origin()?.store());
    let origins: HashSet<_> = stores_of.collect();
    if wanted.is_empty() && origins.len() <= 1 {
        return chosen;
    }
    let look = |store: &Path, i: usize| look(stores, store, modules[i]);
    let found: Vec<Vec<Archive>> = stores
        .dirs()
        .iter()
        .map(|store| wanted.par_iter().map(|&i| look(store, i)).collect())
        .collect();
    let mut second_choice = None;
    for (store, found) in stores.dirs().iter().zip(&found) {
        if !found.iter().all(Archive::is_found) {
            continue;
        }
        // These came from another store, or an archive of this one has changed its place.
        let strangers: Vec<_> = (0..modules.len())
            .filter(|&i| {
                let here = || Origin::of(&store.join(modules[i].file.to_string()));
                needs[i].origin().is_some_and(|origin| *origin != here())
            })
            .collect();
        let again: Vec<_> = strangers.par_iter().map(|&i| look(store, i)).collect();
        if again.iter().all(Archive::is_found) {
            let better = strangers.is_empty();
            if better || second_choice.is_none() {
                let pairs = wanted.iter().zip(found).chain(strangers.iter().zip(&again));
                second_choice = Some(pairs.map(|(&i, archive)| (i, archive.clone())).collect());
            }
            if better {
                break;
            }
        }
    }
    let mixed = || {
        let of_module = |n: usize| {
            let all = || found.iter().map(|of_store| &of_store[n]);
            let unfit = || all().find(|archive| !matches!(archive, Archive::None));
            all().find(|archive| archive.is_found()).or_else(unfit).cloned()
        };
        let pairs = wanted.iter().enumerate();
        pairs.map(|(n, &i)| (i, of_module(n).unwrap_or(Archive::None))).collect::<Vec<_>>()
    };
    for (i, archive) in second_choice.unwrap_or_else(mixed) {
        chosen[i] = archive;
    }
    chosen
}

impl<'a> Need<'a> {
    /// The origin of what is there, if that is a store.
    fn origin(&self) -> Option<&'a Origin> {
        match self {
            Self::Known(origin) => origin.filter(|origin| **origin != Origin::Own),
            Self::Wanted => None,
        }
    }
}

impl Archive {
    fn is_found(&self) -> bool {
        matches!(self, Self::Found { .. })
    }
}

fn look(stores: &Stores, store: &Path, named: &NamedModule) -> Archive {
    let Some(source) = stores.file(store, named.file) else { return Archive::None };
    let origin = Origin::of(&source);
    match Head::read(&source, &named.module) {
        Ok(head) => Archive::Found { source, head, origin },
        Err(HeadError::Io(e)) if e.kind() == ErrorKind::NotFound => Archive::None,
        Err(e) => Archive::Unfit(format!("`{}`: {e}", source.display())),
    }
}
