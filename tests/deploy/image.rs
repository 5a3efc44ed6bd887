//! The image, as the last stage of its Dockerfile says it: read from there, and laid out below a directory.

use crate::harness::{binary, guest, root};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Something the image has from the stage before.
pub(super) struct Copied {
    from: PathBuf,
    to: PathBuf,
    owner: Option<(u32, u32)>,
}

/// What a container is started with.
#[derive(Default)]
pub(super) struct Image {
    pub(super) copied: Vec<Copied>,
    pub(super) environment: Vec<(String, String)>,
    pub(super) user: (u32, u32),
    pub(super) volumes: Vec<PathBuf>,
    pub(super) port: u16,
    pub(super) stop_signal: String,
    /// The words of HEALTHCHECK before its command.
    pub(super) patience: String,
    pub(super) health: Vec<String>,
    pub(super) entrypoint: Vec<String>,
    pub(super) command: Vec<String>,
}

/// The instructions of a Dockerfile, each on one line, without comments.
fn instructions(text: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let last = found.last_mut().expect("never empty");
        match line.strip_suffix('\\') {
            Some(open) => last.push_str(open),
            None => {
                last.push_str(line);
                found.push(String::new());
            }
        }
    }
    found.retain(|one| !one.is_empty());
    found
}

fn pair(text: &str) -> (u32, u32) {
    let (user, group) = text.split_once(':').unwrap_or_else(|| panic!("{text}: no user and group, by number"));
    (user.parse().expect("a number"), group.parse().expect("a number"))
}

fn words(json: &str) -> Vec<String> {
    serde_json::from_str(json).unwrap_or_else(|e| panic!("{json}: {e}; write words, so that no shell is needed"))
}

impl Image {
    /// What `deploy/Dockerfile` makes.
    pub(super) fn read() -> Self {
        let text = fs::read_to_string(root().join("deploy/Dockerfile")).expect("the Dockerfile");
        let all = instructions(&text);
        let last = all.iter().rposition(|one| one.starts_with("FROM ")).expect("a stage");
        let mut image = Self::default();
        for one in &all[last + 1..] {
            let (word, rest) = one.split_once(' ').unwrap_or_else(|| panic!("{one}: what is it?"));
            let rest = rest.trim();
            match word {
                "ARG" | "LABEL" | "WORKDIR" => {}
                "COPY" => image.copied.push(Copied::read(rest)),
                "ENV" => image.environment.extend(rest.split_whitespace().map(|one| {
                    let (name, value) = one.split_once('=').unwrap_or_else(|| panic!("ENV {one}: no value"));
                    (name.to_owned(), value.to_owned())
                })),
                "USER" => image.user = pair(rest),
                "VOLUME" => image.volumes.extend(words(rest).into_iter().map(PathBuf::from)),
                "EXPOSE" => image.port = rest.parse().expect("one port"),
                "STOPSIGNAL" => image.stop_signal = rest.to_owned(),
                "HEALTHCHECK" => {
                    let (patience, command) = rest.split_once("CMD ").expect("a command");
                    (image.patience, image.health) = (patience.to_owned(), words(command));
                }
                "ENTRYPOINT" => image.entrypoint = words(rest),
                "CMD" => image.command = words(rest),
                other => panic!("{other}: say here what it does to the layout"),
            }
        }
        image
    }

    /// A variable of its environment.
    pub(super) fn variable(&self, name: &str) -> &str {
        let found = self.environment.iter().find(|(one, _)| one == name);
        found.map_or_else(|| panic!("the image has no {name}"), |(_, value)| value)
    }

    /// Who else than root owns something in it.
    pub(super) fn owners(&self) -> Vec<(u32, u32)> {
        self.copied.iter().filter_map(|one| one.owner).collect()
    }
}

impl Copied {
    fn read(text: &str) -> Self {
        let (options, paths): (Vec<&str>, Vec<&str>) = text.split_whitespace().partition(|word| word.starts_with("--"));
        let option = |name: &str| options.iter().find_map(|one| one.strip_prefix(name));
        assert!(option("--from=").is_some(), "COPY {text}: the context has nothing that belongs into the image");
        let [from, to] = paths[..] else { panic!("COPY {text}: one source and one place") };
        Self { from: from.into(), to: to.into(), owner: option("--chown=").map(pair) }
    }

    /// Put it below `stage`. The stage before is stood in for by what this run built.
    fn place(&self, stage: &Path) {
        let to = below(stage, &self.to);
        let name = self.from.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        match name {
            "rowhouse" => {
                fs::create_dir_all(to.parent().expect("a directory")).expect("a directory");
                fs::copy(binary(), &to).expect("a copy of the host");
            }
            // The two in Rust: what is tried is the layout, and compiling an interpreter says nothing more of it.
            "plugins" => {
                fs::create_dir_all(&to).expect("a directory");
                for name in ["sales", "search"] {
                    fs::copy(guest(name), to.join(format!("{name}.wasm"))).expect("a copy of the plugin");
                }
            }
            // Weights are baked in on request; state begins empty.
            "models" | "state" => fs::create_dir_all(&to).expect("a directory"),
            other => panic!("{other}: say here what stands in for it"),
        }
    }
}

/// A path of the image, below the directory that stands for its root.
pub(super) fn below(stage: &Path, path: &Path) -> PathBuf {
    stage.join(path.strip_prefix("/").expect("paths of an image are absolute"))
}

/// The image's file system below a directory, its root's own and read-only but for its volumes.
pub(super) struct Stage {
    dir: tempfile::TempDir,
    /// Whom the host runs as: the image's account, or whoever runs the suite where that one may not choose.
    user: Option<(u32, u32)>,
}

impl Stage {
    /// Lay it out, with files of the operator's (`path` of the image, text, mode) that belong to the image's account.
    pub(super) fn new(image: &Image, publisher: &Path, files: &[(&str, &str, u32)]) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let user = rustix::process::geteuid().is_root().then_some(image.user);
        let stage = Self { dir, user };
        for one in &image.copied {
            one.place(stage.path());
            if let (Some((user, group)), true) = (one.owner, user.is_some()) {
                chown(below(stage.path(), &one.to), Some(user), Some(group)).expect("root may");
            }
        }
        let plugins = below(stage.path(), Path::new(image.variable("ROWHOUSE_PLUGINS__DIRECTORY")));
        for entry in fs::read_dir(plugins).expect("plugins").flatten() {
            sign(publisher, &entry.path());
        }
        fs::create_dir(stage.path().join("tmp")).expect("a directory");
        for (path, text, mode) in files {
            let path = below(stage.path(), Path::new(path));
            fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
            fs::write(&path, text).expect("a file");
            fs::set_permissions(&path, Permissions::from_mode(*mode)).expect("a file of ours");
            if let Some((user, group)) = user {
                chown(&path, Some(user), Some(group)).expect("root may");
            }
        }
        let volumes: Vec<PathBuf> = image.volumes.iter().map(|path| below(stage.path(), path)).collect();
        for directory in directories(stage.path()) {
            if !volumes.contains(&directory) {
                fs::set_permissions(&directory, Permissions::from_mode(0o555)).expect("a directory of ours");
            }
        }
        stage
    }

    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// What an entry point or a health check says, in the image's environment, as its account.
    pub(super) fn command(&self, image: &Image, words: &[String]) -> tokio::process::Command {
        let (program, arguments) = words.split_first().expect("a program");
        let mut command = tokio::process::Command::new(below(self.path(), Path::new(program)));
        command.args(arguments).current_dir(self.path()).env_clear();
        // Whoever wants a directory for a moment finds one it may not write, as in a container that is read-only.
        command.env("TMPDIR", self.path().join("tmp"));
        command.envs(image.environment.iter().map(|(name, value)| match value.starts_with('/') {
            true => (name.clone(), below(self.path(), Path::new(value)).display().to_string()),
            false => (name.clone(), value.clone()),
        }));
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command.kill_on_drop(true);
        command
    }

    /// Every path outside the volumes.
    pub(super) fn fixed(&self, image: &Image) -> Vec<PathBuf> {
        let volumes: Vec<PathBuf> = image.volumes.iter().map(|path| below(self.path(), path)).collect();
        let mut found = Vec::new();
        for directory in directories(self.path()) {
            if volumes.iter().any(|volume| directory.starts_with(volume)) {
                continue;
            }
            found.extend(fs::read_dir(&directory).expect("a directory").flatten().map(|entry| entry.path()));
            found.push(directory);
        }
        found.sort();
        found
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // So that it can be removed by others than root, too.
        for directory in directories(self.path()) {
            let _ = fs::set_permissions(&directory, Permissions::from_mode(0o755));
        }
    }
}

/// A directory and all below it, as far as one may look.
fn directories(top: &Path) -> Vec<PathBuf> {
    let mut found = vec![top.to_owned()];
    let mut next = 0;
    while let Some(directory) = found.get(next).cloned() {
        let entries = fs::read_dir(&directory).into_iter().flatten().flatten();
        found.extend(entries.filter(|entry| entry.file_type().is_ok_and(|it| it.is_dir())).map(|entry| entry.path()));
        next += 1;
    }
    found
}

/// A pair of keys in a directory; its public half.
pub(super) fn publisher(desk: &Path) -> String {
    does(desk, &["plugin", "keygen", "zava"]);
    fs::read_to_string(desk.join("zava.pub")).expect("a public key")
}

fn sign(desk: &Path, plugin: &Path) {
    does(desk, &["plugin", "sign", "--key", "zava.key", &plugin.display().to_string()]);
}

fn does(desk: &Path, arguments: &[&str]) {
    let mut command = Command::new(binary());
    command.args(arguments).current_dir(desk).env_clear().env("ROWHOUSE_STATE", desk.join("state"));
    let output = command.output().expect("the host runs");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_dockerfile_is_read_as_docker_reads_it() {
    let text = "# a comment\nFROM a AS b\nENV A=1 \\\n    # in between\n    B=2\n\nCMD [\"x\", \"y\"]\n";
    assert_eq!(instructions(text), ["FROM a AS b", "ENV A=1 B=2", "CMD [\"x\", \"y\"]"]);
    assert_eq!(words("[\"x\", \"y\"]"), ["x", "y"]);
    let copied = Copied::read("--from=build --chown=1:2 /out/state /var/lib/rowhouse");
    assert_eq!((copied.owner, copied.to.as_path()), (Some((1, 2)), Path::new("/var/lib/rowhouse")));
}
