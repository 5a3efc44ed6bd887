use super::*;
use std::time::Duration;

pub(in crate::identity) const ID_1: &str = "AbCdEfGh1234";

pub(in crate::identity) fn secret(letter: &str) -> String {
    letter.repeat(SECRET)
}

pub(in crate::identity) fn entry(secret: &str, expires: Option<SystemTime>) -> Entry {
    let principal = Principal {
        issuer: ISSUER.to_owned(),
        subject: format!("key:{ID_1}"),
        display_name: "Nightly report".to_owned(),
        roles: vec!["store_manager".to_owned()],
        tenants: Vec::new(),
        regions: Vec::new(),
        scopes: vec!["mcp:tools".to_owned()],
    };
    Entry { principal, hash: hash(secret).unwrap(), expires }
}

fn keys(entries: Vec<(String, Entry)>, age: u64) -> ApiKeys {
    ApiKeys::over(Copy::fixed(Entries::new(entries), Duration::from_secs(age)))
}

#[tokio::test]
async fn only_the_right_secret_of_a_key_in_force_is_believed() {
    let good = format!("{PREFIX}{ID_1}_{}", secret("x"));
    let hour = Duration::from_secs(3600);
    let force = || vec![(ID_1.to_owned(), entry(&secret("x"), Some(SystemTime::now() + hour)))];
    let check = async |entries, age, token: &str| {
        keys(entries, age).prove(token).await.map_err(|refused| refused.reason()).err()
    };
    assert_eq!(check(force(), 0, &good).await, None);
    let over = vec![(ID_1.to_owned(), entry(&secret("x"), Some(SystemTime::now() - hour)))];
    let costly = NOBODY.replace("m=19456", "m=4194304");
    let costly = vec![(ID_1.to_owned(), Entry { hash: costly, ..entry(&secret("x"), None) })];
    let any = Entry { hash: NOBODY.to_owned(), ..entry(&secret("x"), None) };
    let many = (0..=MAX_KEYS).map(|at| (at.to_string(), any.clone())).collect();
    let cases = [
        ("another secret", force(), 0, format!("{PREFIX}{ID_1}_{}", secret("y")), Reason::WrongApiKey),
        ("no such key", force(), 0, format!("{PREFIX}AbCdEfGh1235_{}", secret("x")), Reason::WrongApiKey),
        ("over", over, 0, good.clone(), Reason::WrongApiKey),
        ("a hash that would cost 4 GiB", costly, 0, good.clone(), Reason::WrongApiKey),
        ("an old copy of the table", force(), 301, good.clone(), Reason::ApiKeysUnknown),
        ("more keys than can be held", many, 0, good.clone(), Reason::ApiKeysUnknown),
        ("no secret", force(), 0, format!("{PREFIX}{ID_1}_"), Reason::Malformed),
        ("a short secret", force(), 0, good[..good.len() - 1].to_owned(), Reason::Malformed),
        ("a long id", force(), 0, good.replace(ID_1, "AbCdEfGh12345"), Reason::Malformed),
        ("no id", force(), 0, format!("{PREFIX}{}", secret("x")), Reason::Malformed),
    ];
    for (what, entries, age, token, reason) in cases {
        assert_eq!(check(entries, age, &token).await, Some(reason), "{what}");
    }
}

#[tokio::test]
async fn a_key_that_was_proved_must_still_be_there_and_mean_the_same() {
    let proved = entry(&secret("x"), None);
    let check = async |entries: Vec<(String, Entry)>| keys(entries, 0).check(ID_1, &proved).await.is_ok();
    assert!(check(vec![(ID_1.to_owned(), proved.clone())]).await);
    assert!(!check(Vec::new()).await, "taken back");
    let mut less = proved.clone();
    less.principal.roles.clear();
    assert!(!check(vec![(ID_1.to_owned(), less)]).await, "with other roles");
    assert!(!check(vec![(ID_1.to_owned(), Entry { hash: String::from(NOBODY), ..proved.clone() })]).await);
    let over = Entry { expires: Some(SystemTime::now() - Duration::from_secs(1)), ..proved.clone() };
    assert!(keys(vec![(ID_1.to_owned(), over.clone())], 0).check(ID_1, &over).await.is_err(), "over");
}

/// No more secrets are checked at once, or wait to be, than the host has room for.
#[tokio::test]
async fn guessing_is_bounded() {
    let keys = keys(vec![(ID_1.to_owned(), entry(&secret("x"), None))], 0);
    let held = Arc::clone(&keys.turns).acquire_many_owned(2).await.unwrap();
    let guess = format!("{PREFIX}{ID_1}_{}", secret("y"));
    let mut guesses: Vec<_> = (0..AT_ONCE + WAITING + 1).map(|_| Box::pin(keys.prove(&guess))).collect();
    for guess in &mut guesses[..AT_ONCE + WAITING] {
        assert!(futures_util::poll!(guess).is_pending());
    }
    let one_more = guesses.pop().unwrap().await;
    assert_eq!(one_more.unwrap_err().reason(), Reason::Busy);
    drop(guesses);
    drop(held);
    assert_eq!(keys.prove(&guess).await.unwrap_err().reason(), Reason::WrongApiKey, "those who left made room");
}

#[test]
fn nobody_costs_what_somebody_costs() {
    let params = |hash: &str| Params::try_from(&PasswordHash::new(hash).unwrap()).unwrap();
    let ours = hash("x").unwrap();
    assert_eq!(params(NOBODY), params(&ours));
    assert!(is_bounded(NOBODY) && is_bounded(&ours));
    assert_eq!(PasswordHash::new(NOBODY).unwrap().algorithm, PasswordHash::new(&ours).unwrap().algorithm);
    assert!(!verify("x", NOBODY) && verify("x", &ours) && !verify("y", &ours));
    assert_ne!(hash("x").unwrap(), ours, "salted");
}
