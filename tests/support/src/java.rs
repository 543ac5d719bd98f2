//! Our own Java programs: compiled once for what their sources say, run with the jars of ActiveMQ.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::process::Running;
use crate::program::profile_directory;

/// The sources every program may use.
const SUPPORT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/java");
/// Where Debian's packages put their jars; `REWIRE_JARS` names another directory.
const JARS_DIRECTORY: &str = "/usr/share/java";
const JARS: [&str; 15] = [
    "activemq-client",
    "activemq-broker",
    "activemq-kahadb-store",
    "activemq-openwire-legacy",
    "activemq-jaas",
    "activemq-protobuf",
    "hawtbuf",
    "slf4j-api",
    "slf4j-simple",
    "geronimo-jms_1.1_spec",
    "geronimo-j2ee-management-1.1-spec",
    "geronimo-jta-1.2-spec",
    "jackson-core",
    "jackson-annotations",
    "jackson-databind",
];

/// One of our Java programs, to be started.
#[derive(Clone, Debug)]
pub struct Java {
    program: String,
    sources: Vec<PathBuf>,
    jvm: Vec<String>,
    arguments: Vec<OsString>,
}

impl Java {
    /// The program whose main class is `name`, in this crate's folder `java`.
    #[must_use]
    pub fn program(name: &str) -> Self {
        Self {
            program: name.to_owned(),
            sources: vec![PathBuf::from(SUPPORT)],
            jvm: vec![
                "-XX:+UseSerialGC".to_owned(),
                "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn".to_owned(),
            ],
            arguments: Vec::new(),
        }
    }

    /// Compiles the `.java` files of this folder with it: where the main class is, if not here.
    #[must_use]
    pub fn with_sources(mut self, folder: impl Into<PathBuf>) -> Self {
        self.sources.push(folder.into());
        self
    }

    /// Adds an option of the JVM, such as `-Xmx256m`.
    #[must_use]
    pub fn jvm(mut self, option: &str) -> Self {
        self.jvm.push(option.to_owned());
        self
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Compiles it where that was not done yet, and starts it.
    ///
    /// # Panics
    ///
    /// When something it needs is missing (see [`java_requirements`]), or it does not compile.
    #[must_use]
    pub fn start(self) -> Running {
        let classes = compile(&self.sources);
        let mut command = Command::new(tool("java"));
        command.args(&self.jvm).arg("-cp").arg(class_path(Some(&classes)));
        command.arg(&self.program).args(&self.arguments);
        Running::start(&self.program, command)
    }

    /// Runs it to its end and returns the JSON objects it printed.
    ///
    /// # Panics
    ///
    /// When it has not ended at the deadline, or ended with another code than 0.
    #[must_use]
    pub fn run(self, deadline: Duration) -> Vec<Value> {
        self.start().finish(deadline).success().json()
    }

    /// Runs it to its end with `lines` on stdin, and returns the JSON objects it printed.
    ///
    /// # Panics
    ///
    /// When it has not ended at the deadline, or ended with another code than 0.
    #[must_use]
    pub fn run_with<L: ToString>(
        self,
        lines: impl IntoIterator<Item = L>,
        deadline: Duration,
    ) -> Vec<Value> {
        let mut running = self.start();
        running.feed(lines.into_iter().map(|line| line.to_string() + "\n").collect());
        running.finish(deadline).success().json()
    }
}

/// Says what is missing on this machine to run [`Java`] programs, and which packages bring it.
///
/// # Errors
///
/// A text for people, naming what is missing.
pub fn java_requirements() -> Result<(), String> {
    let mut missing = Vec::new();
    let mut packages = BTreeSet::new();
    for name in ["java", "javac"] {
        let mut command = Command::new(tool(name));
        command.arg("-version").stdout(Stdio::null()).stderr(Stdio::null());
        if !command.status().is_ok_and(|status| status.success()) {
            missing.push(name.to_owned());
            packages.insert("default-jdk-headless");
        }
    }
    for jar in jars().into_iter().filter(|jar| !jar.is_file()) {
        missing.push(jar.display().to_string());
        packages.insert("activemq");
    }
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = packages.into_iter().collect();
    Err(format!(
        "missing: {}; on Debian and Ubuntu: apt-get install {}",
        missing.join(", "),
        packages.join(" ")
    ))
}

/// Compiles all `.java` files of these folders together, once for each state of theirs.
fn compile(folders: &[PathBuf]) -> PathBuf {
    let mut sources: Vec<PathBuf> = folders.iter().flat_map(|folder| java_files(folder)).collect();
    sources.sort();
    let mut hasher = DefaultHasher::new();
    jars().hash(&mut hasher);
    for source in &sources {
        source.file_name().hash(&mut hasher);
        read(source).hash(&mut hasher);
    }
    let root = profile_directory().join("java");
    let classes = root.join(format!("{:016x}", hasher.finish()));
    if classes.is_dir() {
        return classes;
    }
    if let Err(missing) = java_requirements() {
        panic!("{missing}");
    }
    // Beside its final place, then renamed: another test may be doing the same at this moment.
    std::fs::create_dir_all(&root).expect("the target directory can be written");
    let fresh = tempfile::tempdir_in(&root).expect("the target directory can be written");
    let output = Command::new(tool("javac"))
        .args(["-nowarn", "-encoding", "UTF-8", "-d"])
        .arg(fresh.path())
        .arg("-cp")
        .arg(class_path(None))
        .args(&sources)
        .output()
        .expect("javac starts");
    assert!(
        output.status.success(),
        "javac refuses our sources:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let fresh = fresh.keep();
    if let Err(error) = std::fs::rename(&fresh, &classes) {
        let _leftover = std::fs::remove_dir_all(&fresh);
        assert!(classes.is_dir(), "the compiled classes cannot be put in place: {error}");
    }
    classes
}

fn java_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("the sources in {}: {error}", folder.display()));
    entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "java"))
        .collect()
}

fn read(source: &Path) -> String {
    std::fs::read_to_string(source).unwrap_or_else(|error| panic!("{}: {error}", source.display()))
}

fn class_path(classes: Option<&Path>) -> OsString {
    let entries = classes.map(Path::to_owned).into_iter().chain(jars());
    std::env::join_paths(entries).expect("no path holds the separator of paths")
}

fn jars() -> Vec<PathBuf> {
    let directory = std::env::var_os("REWIRE_JARS").unwrap_or_else(|| JARS_DIRECTORY.into());
    JARS.iter().map(|jar| Path::new(&directory).join(format!("{jar}.jar"))).collect()
}

/// `java` or `javac` of `JAVA_HOME` where that is set, else the one on the path.
fn tool(name: &str) -> PathBuf {
    match std::env::var_os("JAVA_HOME") {
        Some(home) => Path::new(&home).join("bin").join(name),
        None => PathBuf::from(name),
    }
}

#[cfg(test)]
mod tests {
    use super::jars;

    #[test]
    fn a_dot_in_the_name_of_a_jar_is_no_extension() {
        let names: Vec<_> = jars().iter().map(|jar| jar.display().to_string()).collect();
        assert!(names.iter().any(|name| name.ends_with("/geronimo-jta-1.2-spec.jar")), "{names:?}");
    }
}
