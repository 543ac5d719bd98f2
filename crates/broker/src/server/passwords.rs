//! Passwords that are written as hashes: who logs in is checked beside the core, a few at a time.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier};
use rewire_protocol::ConnectionInfo;
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, spawn_blocking};

use crate::core::{BrokerConfig, PasswordHash, is_same_password};

/// KiB of memory that checking one password may take.
const MAX_MEMORY: u32 = 1 << 20;
/// Passes over that memory, and lanes in it.
const MAX_PASSES: u32 = 1 << 10;
const MAX_LANES: u32 = 1 << 8;

impl PasswordHash {
    /// The hash of a password, with a salt of its own: Argon2id with 19 MiB and two passes, as OWASP
    /// recommends. It takes tens of milliseconds: not for a thread of a runtime.
    ///
    /// # Errors
    ///
    /// When the system gives no random numbers.
    pub fn of(password: &str) -> Result<Self, String> {
        let hash = Argon2::default().hash_password(password.as_bytes());
        hash.map(|hash| Self::from_checked(hash.to_string())).map_err(|error| error.to_string())
    }

    /// Whether it is of this password. It takes as long as its numbers say.
    fn is_of(&self, password: &str) -> bool {
        Argon2::default().verify_password(password.as_bytes(), self.as_str()).is_ok()
    }
}

/// A hash in PHC form: `$argon2id$v=19$m=19456,t=2,p=1$` with salt and hash; also `argon2i` and `argon2d`.
impl FromStr for PasswordHash {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let hash = phc::PasswordHash::new(text)
            .map_err(|error| format!("has to be like \"$argon2id$v=19$m=..\": {error}"))?;
        let algorithm = hash.algorithm.as_str();
        Algorithm::try_from(algorithm).map_err(|_| {
            format!("is of {algorithm:?}; only argon2id, argon2i and argon2d are known")
        })?;
        if hash.version.is_some_and(|version| version != 0x10 && version != 0x13) {
            return Err("is of a version that is not known; 19 is".to_owned());
        }
        if hash.salt.is_none() || hash.hash.is_none() {
            return Err("has no salt, or no hash behind it".to_owned());
        }
        let params = Params::try_from(&hash).map_err(|error| format!("is wrong: {error}"))?;
        let most = [
            ("m", params.m_cost(), MAX_MEMORY),
            ("t", params.t_cost(), MAX_PASSES),
            ("p", params.p_cost(), MAX_LANES),
        ];
        match most.iter().find(|(_, cost, most)| cost > most) {
            Some((name, _, most)) => Err(format!("has a {name} of more than {most}")),
            None => Ok(Self::from_checked(text.to_owned())),
        }
    }
}

/// Checks who logs in, for all links.
#[derive(Clone, Debug, Default)]
pub(super) struct Gate(Option<Arc<Users>>);

/// What comes of a check: the user, if it is who it says it is.
pub(super) type Check = JoinSet<Option<String>>;

struct Users {
    plain: BTreeMap<String, String>,
    hashes: BTreeMap<String, PasswordHash>,
    anonymous_access: bool,
    /// One thread for two processors: the other half goes on with what the broker is for.
    threads: Arc<Semaphore>,
    /// The passwords that were found to be right, one a user: a fleet that comes back comes with one.
    proven: Mutex<BTreeMap<String, String>>,
}

impl std::fmt::Debug for Users {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Users").field("hashes", &self.hashes).finish_non_exhaustive()
    }
}

impl Gate {
    pub(super) fn new(config: &BrokerConfig) -> Self {
        if config.password_hashes.is_empty() {
            return Self(None);
        }
        let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
        Self(Some(Arc::new(Users {
            plain: config.users.clone(),
            hashes: config.password_hashes.clone(),
            anonymous_access: config.anonymous_access,
            threads: Arc::new(Semaphore::new((processors / 2).max(1))),
            proven: Mutex::default(),
        })))
    }

    /// Begins to check who introduces himself; nothing, where that is not by a hash. What is dropped is
    /// checked no more.
    pub(super) fn check(&self, info: &ConnectionInfo) -> Option<Check> {
        let users = Arc::clone(self.0.as_ref()?);
        let gives_none = info.user_name.is_none() && info.password.is_none();
        let text = |text: &Option<rewire_protocol::Str>| {
            text.as_ref().map(|text| text.to_str().into_owned()).unwrap_or_default()
        };
        let (user, password) = (text(&info.user_name), text(&info.password));
        let is_plain = users.plain.get(&user).is_some_and(|own| is_same(own, &password));
        if users.anonymous_access && gives_none || is_plain {
            return None;
        }
        let mut check = JoinSet::new();
        check.spawn(users.check(user, password));
        Some(check)
    }
}

impl Users {
    async fn check(self: Arc<Self>, user: String, password: String) -> Option<String> {
        if self.has_proven(&user, &password) {
            return Some(user);
        }
        let thread = Arc::clone(&self.threads).acquire_owned().await.ok()?;
        if self.has_proven(&user, &password) {
            return Some(user);
        }
        let checked = spawn_blocking(move || {
            // Held until it is done, whoever still waits for it.
            let _thread = thread;
            self.prove(user, password)
        });
        checked.await.ok().flatten()
    }

    fn has_proven(&self, user: &str, password: &str) -> bool {
        let proven = self.proven.lock().unwrap_or_else(PoisonError::into_inner);
        proven.get(user).is_some_and(|own| is_same(own, password))
    }

    fn prove(&self, user: String, password: String) -> Option<String> {
        let own = self.hashes.get(&user);
        // Somebody unknown is checked as well, so that time does not tell who is known.
        let hash = own.or_else(|| self.hashes.values().next())?;
        if !hash.is_of(&password) || own.is_none() {
            return None;
        }
        let mut proven = self.proven.lock().unwrap_or_else(PoisonError::into_inner);
        proven.insert(user.clone(), password);
        Some(user)
    }
}

fn is_same(own: &str, given: &str) -> bool {
    is_same_password(own.as_bytes(), given.as_bytes())
}

#[cfg(test)]
mod tests {
    use argon2::CustomizedPasswordHasher;

    use super::*;

    /// A hash that takes no time.
    fn cheap(password: &str) -> PasswordHash {
        let params = Params::new(8, 1, 1, None).unwrap();
        let hash = Argon2::from(params).hash_password_customized(
            password.as_bytes(),
            b"some salt for it",
            None,
            None,
            Params::new(8, 1, 1, None).unwrap(),
        );
        hash.unwrap().to_string().parse().unwrap()
    }

    fn gate() -> Gate {
        let mut config = BrokerConfig::default();
        config.password_hashes.insert("shop".to_owned(), cheap("secret"));
        config.users.insert("plain".to_owned(), "text".to_owned());
        Gate::new(&config)
    }

    fn info(user: &str, password: &str) -> ConnectionInfo {
        let (user_name, password) = (Some(user.into()), Some(password.into()));
        ConnectionInfo { user_name, password, ..ConnectionInfo::default() }
    }

    async fn checked(gate: &Gate, user: &str, password: &str) -> Option<String> {
        let mut check = gate.check(&info(user, password)).expect("it is checked");
        check.join_next().await.unwrap().unwrap()
    }

    #[tokio::test]
    async fn only_who_knows_the_password_of_a_hash_has_proven_who_he_is() {
        let gate = gate();
        for _ in 0..2 {
            assert_eq!(checked(&gate, "shop", "secret").await.as_deref(), Some("shop"));
            for (user, password) in
                [("shop", "Secret"), ("shop", ""), ("other", "secret"), ("plain", "secret")]
            {
                assert_eq!(checked(&gate, user, password).await, None, "{user} {password}");
            }
        }
        assert!(gate.check(&info("plain", "text")).is_none(), "no hash is needed for it");
    }

    #[tokio::test]
    async fn a_password_that_was_proven_is_not_hashed_again() {
        let gate = gate();
        checked(&gate, "shop", "secret").await;
        let threads = Arc::clone(&gate.0.as_ref().unwrap().threads);
        let _all = threads.acquire_many(u32::try_from(threads.available_permits()).unwrap()).await;
        assert_eq!(checked(&gate, "shop", "secret").await.as_deref(), Some("shop"));
    }

    #[test]
    fn a_hash_is_of_its_password_and_is_shown_nowhere() {
        let hash = cheap("secret");
        assert!(hash.is_of("secret") && !hash.is_of("secrets"));
        assert_eq!(format!("{hash:?}"), "PasswordHash");
    }

    #[test]
    fn what_is_no_hash_is_said() {
        let good = cheap("secret").as_str().to_owned();
        for (text, expected) in [
            ("secret".to_owned(), "has to be like"),
            (String::new(), "has to be like"),
            (good.replace("argon2id", "scrypt"), "is of \"scrypt\"; only argon2id"),
            (good.replace("v=19", "v=7"), "is of a version"),
            (good.replace("m=8", "m=4000000"), "has a m of more than"),
            (good.replace("t=1", "t=0"), "is wrong"),
            (good.rsplit_once('$').unwrap().0.to_owned(), "has no salt, or no hash"),
        ] {
            let problem = text.parse::<PasswordHash>().unwrap_err();
            assert!(problem.starts_with(expected), "{text}: {problem}");
        }
    }
}
