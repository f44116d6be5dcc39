//! How URLs are to be spelled: as the locks in the stores have them.

use super::{Choice, index_of, manifest_at};
use crate::lake::toolchain;
use crate::store::Stores;
use crate::store::index::lock_id;
use crate::workspace::Workspace;
use crate::workspace::respell::Spellings;
use anyhow::{Result, bail};

/// How the locks of `stores` spell URLs; then, for what they do not have, the workspace's manifest.
/// A lock that is the workspace's own comes first, then those for its toolchain.
pub fn spellings(
    workspace: Option<&Workspace>,
    stores: &Stores,
    choice: &Choice,
) -> Result<Spellings> {
    let indices = match choice {
        Choice::Manifest(file) => vec![(file.clone(), index_of(file, &manifest_at(file)?))],
        _ => stores.indices()?,
    };
    let toolchain = workspace.map(|w| toolchain::read(&w.root)).transpose()?.flatten();
    let own = workspace.zip(toolchain.as_ref());
    let own = own.map(|(workspace, toolchain)| lock_id(toolchain, &workspace.revisions()));
    let locks = indices.iter().flat_map(|(_, index)| &index.locks);
    let mut locks: Vec<_> = match choice {
        Choice::Id(wanted) => locks.filter(|(id, _)| *id == wanted).collect(),
        _ => locks.collect(),
    };
    if let (Choice::Id(id), []) = (choice, &locks[..]) {
        bail!("no store has a lock {id}");
    }
    // A stable sort: otherwise store by store.
    locks.sort_by_key(|(id, lock)| {
        (Some(*id) != own.as_ref(), Some(&lock.toolchain) != toolchain.as_ref())
    });
    let mut spellings = Spellings::default();
    let urls = locks
        .iter()
        .flat_map(|(_, lock)| lock.packages.iter().filter_map(|p| p.get("url")?.as_str()));
    urls.for_each(|url| spellings.add(url));
    let packages = workspace.into_iter().flat_map(|workspace| &workspace.packages);
    packages.filter_map(|package| package.lock.as_ref()).for_each(|lock| spellings.add(&lock.url));
    Ok(spellings)
}
