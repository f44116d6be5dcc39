//! The smallest workspace that still shows something.

use super::{Form, Package, Require, Source, World};

impl World {
    /// Takes away what can be taken away while it still `shows`.
    pub(crate) fn smallest(mut self, shows: impl Fn(&World) -> bool) -> World {
        while let Some(smaller) = self.smaller().into_iter().find(&shows) {
            self = smaller;
        }
        self
    }

    /// With one thing less, in every way.
    fn smaller(&self) -> Vec<World> {
        let places = self.places();
        let mut found = Vec::new();
        for place in places {
            let Some(package) = self.package(place) else { continue };
            for smaller in package.smaller() {
                let mut world = self.clone();
                *world.package_mut(place) = smaller;
                found.push(world);
            }
        }
        found
    }

    /// Repository, or none for those of `app`; commit; package.
    fn places(&self) -> Vec<(Option<usize>, usize, usize)> {
        let local = (0..self.packages.len()).map(|package| (None, 0, package));
        let repositories = self.repositories.iter().enumerate().flat_map(|(number, repository)| {
            let commits = repository.commits.iter().enumerate();
            commits.flat_map(move |(commit, packages)| {
                (0..packages.len()).map(move |package| (Some(number), commit, package))
            })
        });
        local.chain(repositories).collect()
    }

    fn package(
        &self,
        (repository, commit, package): (Option<usize>, usize, usize),
    ) -> Option<&Package> {
        match repository {
            None => self.packages.get(package),
            Some(number) => self.repositories.get(number)?.commits.get(commit)?.get(package),
        }
    }

    fn package_mut(
        &mut self,
        (repository, commit, package): (Option<usize>, usize, usize),
    ) -> &mut Package {
        match repository {
            None => &mut self.packages[package],
            Some(number) => &mut self.repositories[number].commits[commit][package],
        }
    }
}

impl Package {
    fn smaller(&self) -> Vec<Package> {
        let mut found = Vec::new();
        let mut add = |change: &dyn Fn(&mut Package)| {
            let mut package = self.clone();
            change(&mut package);
            found.push(package);
        };
        // The most first.
        if self.manifest.is_some() {
            add(&|package| package.manifest = None);
        }
        if !self.settings.is_empty() {
            add(&|package| package.settings.clear());
        }
        for i in 0..self.requires.len() {
            add(&|package| drop(package.requires.remove(i)));
            for simpler in self.requires[i].simpler() {
                add(&|package| package.requires[i] = simpler.clone());
            }
        }
        let pins = self.manifest.as_ref().map_or(&[][..], |manifest| &manifest.pins);
        for (i, pin) in pins.iter().enumerate() {
            add(&|package| drop(package.manifest.as_mut().map(|manifest| manifest.pins.remove(i))));
            for simpler in pin.require.simpler() {
                add(&|package| {
                    if let Some(manifest) = &mut package.manifest {
                        manifest.pins[i].require = simpler.clone();
                    }
                });
            }
        }
        found
    }
}

impl Require {
    fn simpler(&self) -> Vec<Require> {
        let mut found = Vec::new();
        if self.scope.is_some() && !matches!(self.source, Source::Reservoir) {
            found.push(Require { scope: None, ..self.clone() });
        }
        if let Source::Git { repository, url, rev, sub_dir, form } = &self.source {
            let git =
                |url: &str, rev: &Option<String>, sub_dir: &Option<String>, form: Form| Require {
                    source: Source::Git {
                        repository: *repository,
                        url: url.to_owned(),
                        rev: rev.clone(),
                        sub_dir: sub_dir.clone(),
                        form,
                    },
                    ..self.clone()
                };
            if *form != Form::Plain {
                found.push(git(url, rev, sub_dir, Form::Plain));
            }
            if sub_dir.is_some() {
                found.push(git(url, rev, &None, *form));
            }
            if rev.is_some() {
                found.push(git(url, &None, sub_dir, *form));
            }
            if let Some(plain) = url.strip_suffix(".git") {
                found.push(git(plain, rev, sub_dir, *form));
            }
        }
        found
    }
}
