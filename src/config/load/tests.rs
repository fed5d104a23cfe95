use std::net::SocketAddr;

use super::*;
use crate::config::{KEYS, Retention, sample, sample::uncommented};

fn host() -> Host {
    Host {
        is_system: false,
        home: Some("/home/ada".into()),
        data_home: None,
        config_home: None,
        current_folder: "/home/ada/work".into(),
        memory_mib: 16_000,
        cores: 4,
    }
}

/// What the three places say, resolved.
#[derive(Default)]
struct Said<'a> {
    file: &'a str,
    environment: &'a [(&'a str, &'a str)],
    flags: &'a [(&'a str, &'a str)],
}

impl Said<'_> {
    fn resolve_on(&self, host: &Host) -> Result<Loaded, ConfigError> {
        let variables: Vec<_> = self
            .environment
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()))
            .collect();
        let mut flags = Flags::default();
        self.flags.iter().for_each(|(key, value)| flags.set(key, value));
        let folder = &host.current_folder;
        let documents = vec![
            file::read(Path::new("/lab/sutler.toml"), self.file),
            environment::variables(&variables, folder),
            environment::flags(&flags.said, folder),
        ];
        resolve(documents, host)
    }

    fn resolve(&self) -> Result<Loaded, ConfigError> {
        self.resolve_on(&host())
    }

    /// What a person is told of the mistakes.
    fn mistakes(&self) -> String {
        match self.resolve() {
            Err(ConfigError::Mistakes(all)) => {
                all.iter().map(|problems| format!("{problems}\n")).collect()
            }
            Err(error) => crate::model::with_causes(&error),
            Ok(loaded) => loaded.warnings.iter().map(|problems| format!("{problems}\n")).collect(),
        }
    }
}

fn key(name: &str) -> &'static Key {
    Key::named(name).unwrap()
}

#[test]
fn the_flag_wins_over_the_environment_and_that_over_the_file() {
    let file = "retention = { videos = '1d' }";
    let environment = [("SUTLER_RETENTION_VIDEOS", "2d")];
    let flags = [("retention.videos", "3d")];
    let line = Origin::File { path: "/lab/sutler.toml".into(), line: 1 };
    let variable = Origin::Environment("SUTLER_RETENTION_VIDEOS".into());
    let flag = Origin::Flag("--set retention.videos".into());
    for (said, value, origin) in [
        (Said::default(), "30d", Origin::Default),
        (Said { file, ..Said::default() }, "1d", line),
        (Said { file, environment: &environment, ..Said::default() }, "2d", variable),
        (Said { file, environment: &environment, flags: &flags }, "3d", flag),
    ] {
        let loaded = said.resolve().unwrap();
        let videos = key("retention.videos");
        assert_eq!(videos.shown(&loaded.settings), value);
        assert_eq!(loaded.origin(videos), &origin);
    }
}

#[test]
fn every_key_can_be_said_in_all_three_places_and_is_shown_as_it_was_said() {
    let values = [
        ("data", r#""/lab/data""#, "/lab/data"),
        ("inbox", r#""/lab/inbox""#, "/lab/inbox"),
        ("listen", r#""[::1]:9000""#, "[::1]:9000"),
        ("hosts", r#"["lab.example", "lab"]"#, "lab.example, lab"),
        ("roots", r#"["/srv/a", "/srv/b"]"#, "/srv/a:/srv/b"),
        ("devices", r#""/lab/devices.toml""#, "/lab/devices.toml"),
        ("access.local", r#""operator""#, "operator"),
        ("access.anonymous", r#""none""#, "none"),
        ("access.audit", r#""90d""#, "90d"),
        ("guests.memory", r#""6G""#, "6G"),
        ("guests.cores", "3", "3"),
        ("guests.machines", "2", "2"),
        ("queue.point", r#""5m""#, "5m"),
        ("queue.share", "0", "0"),
        ("queue.half_life", r#""7d""#, "7d"),
        ("retention.videos", r#""12h""#, "12h"),
        ("retention.results", r#""forever""#, "forever"),
        ("retention.records", r#""400d""#, "400d"),
        ("retention.least_free", r#""512M""#, "512M"),
        ("retention.most", r#""2T""#, "2T"),
        ("retention.rejected", "0", "0"),
        ("retry.automatic", "true", "true"),
        ("retry.most", "3", "3"),
        ("retry.backoff", r#""90s""#, "90s"),
        ("retry.per_day", "0", "0"),
        ("thresholds.mode", r#""stop""#, "stop"),
        ("thresholds.quantile", "0.95", "0.95"),
        ("thresholds.factor", "2.5", "2.5"),
        ("thresholds.runs", "20", "20"),
        ("thresholds.floor", r#""3s""#, "3s"),
        ("timeouts.job", r#""2h""#, "2h"),
        ("timeouts.action", r#""90s""#, "90s"),
        ("timeouts.step", r#""45s""#, "45s"),
        ("timeouts.queue", r#""3d""#, "3d"),
        ("timeouts.most", r#""12h""#, "12h"),
        ("log.level", r#""warn,sutler::vm=trace""#, "warn,sutler::vm=trace"),
        ("log.form", r#""json""#, "json"),
    ];
    assert_eq!(values.map(|(name, ..)| name), KEYS.each_ref().map(|key| key.name));
    for ((name, toml, line), key) in values.into_iter().zip(&KEYS) {
        let file = format!("{name} = {toml}\n");
        let variable = key.variable();
        let environment = [(variable.as_str(), line)];
        let flags = [(name, line)];
        for said in [
            Said { file: &file, ..Said::default() },
            Said { environment: &environment, ..Said::default() },
            Said { flags: &flags, ..Said::default() },
        ] {
            let loaded = said.resolve().unwrap_or_else(|_| panic!("{name}: {}", said.mistakes()));
            let shown: serde_json::Value = serde_json::from_str(toml).unwrap();
            assert_eq!(key.shown(&loaded.settings), shown, "{name}");
            assert_ne!(loaded.origin(key), &Origin::Default, "{name}");
        }
    }
}

#[test]
fn a_list_of_a_file_is_one_in_the_environment_and_in_a_flag() {
    let line = r#"["/srv/a", "/srv/b"]"#;
    for said in [
        Said { environment: &[("SUTLER_ROOTS", line)], ..Said::default() },
        Said { flags: &[("roots", line)], ..Said::default() },
    ] {
        let roots = key("roots").shown(&said.resolve().unwrap().settings);
        assert_eq!(roots, serde_json::json!(["/srv/a", "/srv/b"]));
    }
    let said = Said { flags: &[("roots", "[/srv/a, /srv/b]")], ..Said::default() };
    assert!(
        said.mistakes().contains("or without brackets, with `:` between"),
        "{}",
        said.mistakes()
    );
}

#[test]
fn the_default_file_uncommented_says_the_defaults() {
    let system = Host { is_system: true, ..host() };
    let file = uncommented();
    let said = Said { file: &file, ..Said::default() };
    let loaded = said.resolve_on(&system).unwrap_or_else(|_| panic!("{}", said.mistakes()));
    let defaults = Said::default().resolve_on(&system).unwrap();
    assert_eq!(loaded.settings, defaults.settings);
    assert_eq!(loaded.settings.retention, Retention::default());
    for key in &KEYS {
        assert_ne!(loaded.origin(key), &Origin::Default, "{key:?} is missing");
    }
    let as_it_is = Said { file: &sample(), ..Said::default() }.resolve_on(&system).unwrap();
    assert!(KEYS.iter().all(|key| as_it_is.origin(key) == &Origin::Default));
}

#[test]
fn every_mistake_is_told_with_its_place_and_what_may_have_been_meant() {
    let file = r#"dta = "/lab"
listen = "8470"
hosts = ["lab.example", "lab:80"]
roots = "/srv"
memory = "4G"
data = 7

[guests]
cores = 0
machines = "2"
memory = 4096
colour = 1

[retention]
video = "30d"
results = 30
records = "a year"
least_free = "4"
rejected = 0x10

[log]
level = "inof"
form = "jurnald"

[gests]
cores = 1
"#;
    insta::assert_snapshot!(Said { file, ..Said::default() }.mistakes());
}

#[test]
fn a_file_that_is_no_toml_is_told_where() {
    let file =
        "data = /lab\n[guests\ncores = 2\nlisten == 3\ninbox = \"a\ninbox = \"b\"\ninbox = \"c\"\n";
    insta::assert_snapshot!(Said { file, ..Said::default() }.mistakes());
}

#[test]
fn mistakes_in_the_environment_and_in_flags_are_told_together() {
    let environment = [
        ("SUTLER_GUESTS_CORES", "many"),
        ("SUTLER_JOB_UUID", "not ours"),
        ("SUTLER_KILL_ROUNDS", "3"),
        ("SUTLER_LSITEN", "127.0.0.1:1"),
        ("SUTLER_RETENTION_LEAST_FREE", "10"),
    ];
    let flags = [("guests.core", "2"), ("hosts", "lab:80,fine")];
    insta::assert_snapshot!(
        Said { environment: &environment, flags: &flags, ..Said::default() }.mistakes()
    );
}

#[test]
fn an_unknown_variable_is_warned_of_and_no_mistake() {
    let said = Said { environment: &[("SUTLER_DTA", "/lab")], ..Said::default() };
    assert!(said.resolve().is_ok());
    insta::assert_snapshot!(said.mistakes(), @"warning: the environment: line 1, column 1: found `SUTLER_DTA`, expected a known variable; did you mean `SUTLER_DATA`?");
}

#[test]
fn rust_log_says_the_level_where_our_own_variable_does_not() {
    let level = key("log.level");
    for (environment, file, value, origin) in [
        (vec![("RUST_LOG", "debug")], "log.level = 'warn'", "debug", "RUST_LOG"),
        (
            vec![("RUST_LOG", "debug"), ("SUTLER_LOG_LEVEL", "error")],
            "",
            "error",
            "SUTLER_LOG_LEVEL",
        ),
        // It is not only for us, and knows more than our key does.
        (vec![("RUST_LOG", "[span]=debug")], "", "info", "default"),
    ] {
        let loaded = Said { environment: &environment, file, flags: &[] }.resolve().unwrap();
        assert_eq!(level.shown(&loaded.settings), value);
        assert_eq!(loaded.origin(level).to_string(), origin);
    }
}

#[test]
fn the_data_folder_belongs_to_the_account_that_starts_the_appliance() {
    let system = Host { is_system: true, ..host() };
    let moved = Host { data_home: Some("/data/ada".into()), ..host() };
    for (host, data) in [
        (system, "/var/lib/sutler"),
        (host(), "/home/ada/.local/share/sutler"),
        (moved, "/data/ada/sutler"),
    ] {
        let loaded = Said::default().resolve_on(&host).unwrap();
        assert_eq!(loaded.settings.data, Path::new(data));
    }
    let nobody = Host { home: None, ..host() };
    assert!(Said::default().resolve_on(&nobody).is_err());
}

#[test]
fn relative_paths_start_from_where_they_are_written_and_become_plain() {
    let file = "inbox = \"drop/../in\"";
    let flags = [("data", "../lab/./data")];
    let loaded = Said { file, flags: &flags, ..Said::default() }.resolve().unwrap();
    assert_eq!(loaded.settings.inbox, Path::new("/lab/in"));
    assert_eq!(loaded.settings.data, Path::new("/home/ada/lab/data"));
    assert_eq!(loaded.settings.socket(), Path::new("/home/ada/lab/data/sutler.sock"));
}

#[test]
fn what_cannot_be_had_is_refused_by_name_and_origin() {
    for (file, words) in [
        (
            "data = '/lab/data'\ninbox = '/lab'",
            "(data: /lab/sutler.toml:1, inbox: /lab/sutler.toml:2)",
        ),
        ("data = '/lab'\ninbox = '/lab'", "would lie in the inbox /lab"),
        ("data = '/usr/share/sutler/data'", "below /usr/share/sutler"),
        ("roots = ['/lab']\ndata = '/lab/data'", "below /lab"),
    ] {
        let found = Said { file, ..Said::default() }.mistakes();
        assert!(found.contains(words), "{file}: {found}");
    }
    for fine in [
        "listen = '127.0.0.1:0'",
        "listen = 'localhost:8470'",
        "listen = '0.0.0.0:80'",
        "inbox = '/lab/inbox'",
    ] {
        assert!(Said { file: fine, ..Said::default() }.resolve().is_ok(), "{fine}");
    }
    let listen = Said { file: "listen = 'localhost:1'", ..Said::default() }.resolve().unwrap();
    assert_eq!(listen.settings.listen, SocketAddr::from(([127, 0, 0, 1], 1)));
}

#[test]
fn the_host_keeps_an_eighth_and_at_least_a_gibibyte_unless_told_otherwise() {
    for (memory_mib, lent) in [(16_000, 14_000), (4_096, 3_072), (2_048, 1_024), (512, 0)] {
        let loaded = Said::default().resolve_on(&Host { memory_mib, ..host() }).unwrap();
        assert_eq!(loaded.settings.lends.memory_mib, lent);
    }
    let file = "guests = { memory = '1.5G', cores = 2 }";
    let lends = Said { file, ..Said::default() }.resolve().unwrap().settings.lends;
    assert_eq!((lends.memory_mib, lends.cores, lends.machines), (1536, 2, 2));
    let back = [("SUTLER_GUESTS_CORES", "auto")];
    let lends =
        Said { file, environment: &back, ..Said::default() }.resolve().unwrap().settings.lends;
    assert_eq!((lends.memory_mib, lends.cores, lends.machines), (1536, 4, 4));
}
