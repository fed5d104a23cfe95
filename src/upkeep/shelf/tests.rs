use tempfile::{TempDir, tempdir};

use super::*;
use crate::{capture::save_screen, picture::Picture};

/// A data folder with jobs that have saved screens, each of one colour.
struct Lab(TempDir);

const ONE: JobId = JobId(1);
const TWO: JobId = JobId(2);

impl Lab {
    fn new(jobs: &[(JobId, &[u8])]) -> Self {
        let lab = Self(tempdir().unwrap());
        for (job, shades) in jobs {
            for shade in *shades {
                lab.save(*job, *shade);
            }
        }
        lab
    }

    fn data(&self) -> &Path {
        self.0.path()
    }

    fn save(&self, job: JobId, shade: u8) -> Digest {
        let folder = JobFolder::new(self.data(), job);
        fs::create_dir_all(folder.path()).unwrap();
        save_screen(folder.path(), &Picture::filled(64, 48, [shade; 3])).unwrap().sha256
    }

    /// As the task does it, but without making anything smaller; says how many were there.
    fn put(&self, job: JobId) -> Shelved {
        let folder = JobFolder::new(self.data(), job);
        for screen in screens(&folder).unwrap() {
            if share(self.data(), job, screen).unwrap() == Found::Missing {
                unfinished(self.data(), screen).unwrap();
                add(self.data(), job, screen, None).unwrap();
            }
        }
        shelved(self.data(), job, 1 << 20).unwrap()
    }

    fn remove(&self, job: JobId) {
        let folder = JobFolder::new(self.data(), job);
        let had = screens(&folder).unwrap();
        fs::remove_dir_all(folder.path()).unwrap();
        release(self.data(), &had).unwrap();
    }

    /// How many names a screen of the shelf has; 0 when it is not there.
    fn names(&self, screen: Digest) -> u64 {
        file(&place(self.data(), screen)).unwrap().map_or(0, |file| file.nlink())
    }
}

#[test]
fn a_screen_is_kept_once_for_all_jobs_and_goes_with_the_last() {
    let lab = Lab::new(&[(ONE, &[1, 2]), (TWO, &[2, 3])]);
    let shared = lab.save(ONE, 2);
    let first = lab.put(ONE);
    assert_eq!((first.screens, first.shared, first.results_bytes), (2, 0, 1 << 20));
    let second = lab.put(TWO);
    assert_eq!((second.screens, second.shared), (2, 1));
    let on_disk = file(&place(lab.data(), shared)).unwrap().unwrap().blocks() * 512;
    assert_eq!(second.results_bytes, (1 << 20) - on_disk);
    assert_eq!((lab.put(ONE).shared, lab.names(shared)), (1, 3), "done again it changes nothing");
    lab.remove(ONE);
    assert_eq!((lab.names(lab.save(JobId(9), 1)), lab.names(shared)), (0, 2));
    let own = of_job(&JobFolder::new(lab.data(), TWO), shared);
    assert!(own.exists(), "the other job has lost nothing");
    lab.remove(TWO);
    assert_eq!(lab.names(shared), 0);
}

#[test]
fn a_smaller_file_takes_the_place_of_the_one_it_was_made_of() {
    let lab = Lab::new(&[(ONE, &[7]), (TWO, &[7])]);
    let screen = lab.save(ONE, 7);
    let small = unfinished(lab.data(), screen).unwrap();
    fs::write(&small, "small").unwrap();
    add(lab.data(), ONE, screen, Some(&small)).unwrap();
    assert!(!small.exists());
    for job in [ONE, TWO] {
        assert_eq!(share(lab.data(), job, screen).unwrap(), Found::Shared);
        let own = of_job(&JobFolder::new(lab.data(), job), screen);
        assert_eq!(fs::read_to_string(own).unwrap(), "small");
    }
    assert_eq!(lab.names(screen), 3);
    assert_eq!(screens(&JobFolder::new(lab.data(), ONE)).unwrap(), [screen], "no name is left");
}

/// Every step done so far, and nothing of the next: what is there then, and after doing it again.
#[test]
fn a_crash_between_any_two_steps_leaves_all_screens_and_is_made_good() {
    for crash in 0..4 {
        let lab = Lab::new(&[(ONE, &[7])]);
        let screen = lab.save(ONE, 7);
        let own = of_job(&JobFolder::new(lab.data(), ONE), screen);
        let (small, shelf) = (unfinished(lab.data(), screen).unwrap(), place(lab.data(), screen));
        let coming = own.with_file_name(format!("{COMING}{screen}.png"));
        let steps: [&dyn Fn() -> io::Result<()>; 3] =
            [&|| fs::write(&small, "small"), &|| fs::hard_link(&small, &coming), &|| {
                fs::rename(&coming, &own)
            }];
        steps.iter().take(crash).for_each(|step| step().unwrap());
        assert!(own.exists(), "after {crash} steps");
        assert!(!shelf.exists());
        // Made again from the start.
        assert_eq!(share(lab.data(), ONE, screen).unwrap(), Found::Missing);
        fs::remove_file(&small).ok();
        fs::write(&small, "small").unwrap();
        add(lab.data(), ONE, screen, Some(&small)).unwrap();
        assert_eq!(lab.names(screen), 2, "after {crash} steps");
        assert_eq!(fs::read_dir(own.parent().unwrap()).unwrap().count(), 1);
    }
}

#[test]
fn what_a_crash_has_left_on_the_shelf_is_swept_away_and_nothing_else() {
    let lab = Lab::new(&[(ONE, &[1]), (TWO, &[2])]);
    let (kept, idle) = (lab.save(ONE, 1), lab.save(TWO, 2));
    lab.put(ONE);
    lab.put(TWO);
    fs::remove_dir_all(JobFolder::new(lab.data(), TWO).path()).unwrap();
    let part = unfinished(lab.data(), kept).unwrap();
    fs::write(&part, "half").unwrap();
    let sweep_all = |now| (0..=PARTS).for_each(|part| sweep(lab.data(), part, now).unwrap());
    sweep_all(crate::clock::now());
    assert_eq!((lab.names(kept), lab.names(idle), part.exists()), (2, 0, true));
    sweep_all(crate::clock::now() + FORGOTTEN * 2);
    assert_eq!((lab.names(kept), part.exists()), (2, false));
    let nowhere = tempdir().unwrap();
    sweep(nowhere.path(), 3, crate::clock::now()).unwrap();
}

#[test]
fn a_screen_that_is_gone_or_no_file_is_nobodys() {
    let lab = Lab::new(&[(ONE, &[1])]);
    let screen = lab.save(ONE, 1);
    assert_eq!(share(lab.data(), TWO, screen).unwrap(), Found::Gone);
    let own = of_job(&JobFolder::new(lab.data(), ONE), screen);
    fs::remove_file(&own).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", &own).unwrap();
    assert_eq!(share(lab.data(), ONE, screen).unwrap(), Found::Gone);
    assert_eq!(shelved(lab.data(), ONE, 10).unwrap().screens, 0);
}

#[test]
fn a_file_that_can_have_no_more_names_is_followed_by_a_copy() {
    let lab = Lab::new(&[(ONE, &[1]), (TWO, &[1])]);
    let screen = lab.save(ONE, 1);
    lab.put(ONE);
    let (shelf, own) =
        (place(lab.data(), screen), |job| of_job(&JobFolder::new(lab.data(), job), screen));
    let before = fs::read(&shelf).unwrap();
    renew(&shelf, &own(TWO)).unwrap();
    assert_eq!(fs::read(&shelf).unwrap(), before);
    assert_eq!(lab.names(screen), 2, "the shelf and the second job");
    assert_eq!(file(&own(ONE)).unwrap().unwrap().nlink(), 1);
    assert_ne!(file(&own(ONE)).unwrap().unwrap().ino(), file(&shelf).unwrap().unwrap().ino());
}
