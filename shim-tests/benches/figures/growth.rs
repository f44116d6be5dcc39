//! The same at several sizes: what is linear looks so.

use super::{ltars, names, packs};
use crate::lab::Lab;
use crate::machine::Busy;
use crate::timing::{Contender, in_turns, is_program, is_shim, peak_memory};
use crate::workload::module::Seeds;
use crate::workload::project::Project;
use anyhow::Result;

/// One task at several sizes.
pub struct Growth {
    pub task: &'static str,
    pub reference: &'static str,
    pub points: Vec<Point>,
}

pub struct Point {
    pub modules: usize,
    /// Seconds, of the shim and of the reference.
    pub seconds: [f64; 2],
    /// Bytes at most, likewise.
    pub memory: [u64; 2],
}

/// All tasks, and the part of the processors' time that others had.
pub fn measure(lab: &Lab, seeds: Seeds) -> Result<(Vec<Growth>, f64)> {
    let task = |task, reference| Growth { task, reference, points: Vec::new() };
    let mut all = vec![
        task("names", "`cat` of the sources"),
        task("nothing to do", "bare leantar"),
        task("restore from cache files", "bare leantar"),
        task("restore from packs", "`zstd -dc \\| tar -x`"),
    ];
    let seeds = seeds.up_to(lab.scale.small_bytes);
    let busy = Busy::now()?;
    for &modules in &lab.scale.growth {
        let dir = lab.room_for(modules)?;
        let project = Project::new(lab, dir.path(), modules)?;
        let measured = at(lab, &seeds, &project, modules)?;
        all.iter_mut().zip(measured).for_each(|(growth, point)| growth.points.push(point));
    }
    Ok((all, busy.others_since()?))
}

fn at(lab: &Lab, seeds: &Seeds, project: &Project, modules: usize) -> Result<[Point; 4]> {
    let turns = lab.scale.growing;
    let point = |contenders: &[Contender]| -> Result<Point> {
        let runs = in_turns(lab, contenders, turns)?;
        let memory = [
            peak_memory(lab, &contenders[0], is_shim)?,
            peak_memory(lab, &contenders[1], is_program)?,
        ];
        let seconds = [runs[0].median(), runs[1].median()];
        Ok(Point { modules, seconds, memory })
    };
    let names = point(&names::contenders(lab, &project.app, "growth")?)?;
    project.write_build(seeds, lab.scale.small_bytes, true)?;
    project.write_ltars(lab, true)?;
    let nothing = point(&names::nothing_to_do(lab, project, "growth")?)?;
    let ltars = point(&ltars::contenders(lab, project)?[..2])?;
    let packs = point(&packs::contenders(lab, project)?[..2])?;
    Ok([names, nothing, ltars, packs])
}

impl Growth {
    /// By what power of the number of modules something grows: the slope of a line through the
    /// logarithms.
    pub fn exponent(&self, value: impl Fn(&Point) -> f64) -> f64 {
        let logs = self.points.iter().map(|p| ((p.modules as f64).ln(), value(p).ln()));
        let logs: Vec<_> = logs.collect();
        let mean =
            |of: &dyn Fn(&(f64, f64)) -> f64| logs.iter().map(of).sum::<f64>() / logs.len() as f64;
        let (x, y) = (mean(&|p| p.0), mean(&|p| p.1));
        let covariance: f64 = logs.iter().map(|p| (p.0 - x) * (p.1 - y)).sum();
        covariance / logs.iter().map(|p| (p.0 - x).powi(2)).sum::<f64>()
    }
}
