use super::*;
use igny8_contract::ids::AccountId;
use igny8_contract::time::Timestamp;
use std::fs;
use std::sync::atomic::{AtomicI64, Ordering};

/// A wall clock that is set by hand; far ahead of the file system's, so that files look settled, unless set otherwise.
#[derive(Debug)]
struct HandClock(AtomicI64);

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }

    fn elapsed(&self) -> Duration {
        Duration::from_secs(1)
    }
}

struct Setting {
    folder: tempfile::TempDir,
    clock: Arc<HandClock>,
}

impl Setting {
    fn new() -> Self {
        let clock = HandClock(AtomicI64::new(Timestamp(0).plus_days(365_000).0));
        Self {
            folder: tempfile::tempdir().unwrap(),
            clock: Arc::new(clock),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("limits.toml")
    }

    fn save(&self, default_burst: u32) {
        self.save_text(&format!(
            "[default]\nrate = \"600/m\"\nburst = {default_burst}\n[scope.auth]\nrate = \"1/s\"\nburst = 1\n"
        ));
    }

    fn save_text(&self, text: &str) {
        fs::write(self.path(), text).unwrap();
    }

    fn open(&self) -> Result<Live, LimitsError> {
        let clock: Arc<dyn Clock> = Arc::clone(&self.clock) as _;
        Live::open(&self.path(), &["auth"], clock)
    }
}

fn burst(live: &Live) -> u32 {
    live.load().account(AccountId(1), "").quota().burst()
}

#[test]
fn a_change_is_taken_at_the_next_look_and_nothing_happens_without_one() {
    let setting = Setting::new();
    setting.save(100);
    let live = setting.open().unwrap();
    assert!(live.poll_once().is_none());
    setting.save(200);
    assert!(live.poll_once().unwrap().is_ok());
    assert_eq!(burst(&live), 200);
    assert!(live.poll_once().is_none());
}

#[test]
fn a_bad_file_keeps_the_last_good_limits_and_is_told_of_once() {
    let setting = Setting::new();
    setting.save(100);
    let live = setting.open().unwrap();
    let before = *live.load().hash();
    for (text, words) in [
        (
            "[default]\nrate = \"600/x\"\nburst = 100\n[scope.auth]\nrate = \"1/s\"\nburst = 1\n",
            "limits.toml:2:8: default.rate",
        ),
        ("", "the file is empty"),
    ] {
        setting.save_text(text);
        let error = live.poll_once().unwrap().unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        assert!(live.poll_once().is_none());
        assert_eq!((burst(&live), *live.load().hash()), (100, before));
    }
    setting.save(300);
    assert!(live.poll_once().unwrap().is_ok());
    assert_eq!(burst(&live), 300);
}

#[test]
fn a_file_that_goes_away_changes_nothing_and_is_taken_when_it_is_back() {
    let setting = Setting::new();
    setting.save(100);
    let live = setting.open().unwrap();
    fs::remove_file(setting.path()).unwrap();
    assert!(
        live.poll_once()
            .unwrap()
            .unwrap_err()
            .to_string()
            .contains("cannot be read")
    );
    assert!(live.poll_once().is_none());
    assert_eq!(burst(&live), 100);
    setting.save(200);
    assert!(live.poll_once().unwrap().is_ok());
    assert_eq!(burst(&live), 200);
}

#[test]
fn a_file_that_is_renamed_into_place_is_noticed_whatever_its_age() {
    let setting = Setting::new();
    setting.save(200);
    let other = setting.folder.path().join("other.toml");
    fs::rename(setting.path(), &other).unwrap();
    setting.save(100);
    let live = setting.open().unwrap();
    fs::rename(&other, setting.path()).unwrap();
    assert!(live.poll_once().unwrap().is_ok());
    assert_eq!(burst(&live), 200);
}

#[test]
fn two_saves_within_one_tick_of_the_file_systems_clock_are_told_apart() {
    let setting = Setting::new();
    setting.clock.0.store(0, Ordering::Relaxed);
    setting.save(100);
    let live = setting.open().unwrap();
    for round in 0..50 {
        // The same length each time, and often the same time.
        let value = 101 + round;
        setting.save(value);
        assert!(live.poll_once().unwrap().is_ok());
        assert_eq!(burst(&live), value);
    }
}

#[test]
fn a_reload_on_demand_reads_the_file_at_once() {
    let setting = Setting::new();
    setting.save(100);
    let live = setting.open().unwrap();
    assert!(live.reload().is_ok());
    setting.save_text("nonsense");
    assert_eq!(live.reload().unwrap_err().line, 1);
    assert_eq!(burst(&live), 100);
    assert!(live.poll_once().is_none());
}

#[test]
fn a_program_does_not_start_on_a_bad_file() {
    let setting = Setting::new();
    assert!(setting.open().unwrap_err().to_string().contains("cannot be read"));
    fs::write(setting.path(), b"[default]\nrate = \"\xff\"\n").unwrap();
    assert!(setting.open().unwrap_err().to_string().contains("is not UTF-8"));
}

#[test]
fn a_scope_without_a_table_has_no_limit_until_the_file_gives_it_one() {
    let setting = Setting::new();
    setting.save_text("[default]\nrate = \"600/m\"\nburst = 100\n");
    let live = setting.open().unwrap();
    let id = live.scope_id("auth").unwrap();
    assert!(live.load().scope(id).is_none());
    setting.save(100);
    assert!(live.poll_once().unwrap().is_ok());
    assert!(live.load().scope(id).is_some());
}

#[test]
fn a_scope_keeps_its_id_over_a_reload() {
    let setting = Setting::new();
    setting.save(100);
    let live = setting.open().unwrap();
    let id = live.scope_id("auth").unwrap();
    setting.save_text("[scope.aaa]\nrate = \"1/s\"\nburst = 1\n[scope.auth]\nrate = \"1/s\"\nburst = 7\n");
    assert!(live.poll_once().unwrap().is_ok());
    assert_eq!(live.load().scope(id).unwrap().quota().burst(), 7);
}
