//! Whether it works: every contender on every database once, with little to do, and that each ends as it should.

use crate::job::Job;
use crate::measure::Effort;

pub(crate) const EFFORT: Effort = Effort {
    records: 100,
    others: 100,
    import_others: 0,
    rounds: 1,
    repeats: 2,
    hot_rounds: 1,
    hot_slices: 1,
    imports: 1,
};

/// A mixed hundred has all that a contender may meet; so has an import of two.
const JOBS: [(&str, &str, &str); 17] = [
    ("postgres", "one", "mixed"),
    ("postgres", "held", "mixed"),
    ("postgres", "hot-10", "changed"),
    ("postgres", "import-200", "mixed"),
    ("postgres-flushed", "one", "new"),
    ("postgres-tcp", "one", "changed"),
    ("postgres-1ms", "import-200", "new"),
    ("mariadb", "one", "mixed"),
    ("mariadb", "held", "mixed"),
    ("mariadb", "hot-10", "changed"),
    ("mariadb-flushed", "one", "new"),
    ("mariadb-tcp", "import-200", "mixed"),
    ("sqlite", "one", "mixed"),
    ("sqlite", "held", "mixed"),
    ("sqlite", "hot-10", "changed"),
    ("sqlite", "import-200", "mixed"),
    ("sqlite-flushed", "one", "unchanged"),
];

pub(crate) fn jobs() -> Result<Vec<Job>, String> {
    let job = |(setting, scale, workload): &(&str, &str, &str)| {
        Ok(Job {
            setting: setting.parse()?,
            scale: scale.parse()?,
            workload: workload.parse()?,
        })
    };
    JOBS.iter().map(job).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setting::Way;

    #[test]
    fn each_database_is_seen_at_each_scale() {
        let jobs = jobs().unwrap();
        for ways in [
            &[Way::Postgres, Way::PostgresTcp][..],
            &[Way::MariaDb, Way::MariaDbTcp],
            &[Way::Sqlite],
        ] {
            let here = jobs.iter().filter(|job| ways.contains(&job.setting.way));
            let scales: Vec<_> = here.map(|job| job.scale.to_string()).collect();
            for begins in ["one", "held", "hot", "import"] {
                assert!(
                    scales.iter().any(|scale| scale.starts_with(begins)),
                    "{ways:?} {begins}"
                );
            }
        }
    }
}
