//! What stands on a proof ends with it; what cannot be judged is not called invalid.

use super::*;
use crate::identity::api_key::tests::{ID_1, entry, secret};
use crate::identity::api_key::{Entries, Entry};
use crate::identity::copy::Copy;
use futures_util::FutureExt;

/// A host with these copies that believes its own issuer.
fn host(revoked: Option<Revoked>, api_keys: Option<ApiKeys>) -> Identity {
    Identity::assemble(&config::Identity::default(), Vec::new(), demo(7, None, person()), revoked, api_keys).unwrap()
}

async fn ends(gone: impl Future<Output = ()>) {
    tokio::time::timeout(Duration::from_secs(60), gone).await.expect("the end of the proof");
}

#[tokio::test]
async fn a_token_is_gone_when_it_was_taken_back_or_its_key_was() {
    let (copy, tell) = Copy::told(Marks::new([].into_iter()), Duration::ZERO);
    let identity = host(Some(Revoked::over(copy)), None);
    let tokens = [0, 1].map(|_| identity.issue("seattle", Duration::from_secs(60)).unwrap());
    let [first, second] = [&tokens[0], &tokens[1]];
    let (one, two) = (identity.from_bearer(first).await.unwrap(), identity.from_bearer(second).await.unwrap());
    let (mut one, mut two) = (Box::pin(identity.gone(&one)), Box::pin(identity.gone(&two)));
    let id = revoked::Named::read(first, &config::Identity::default()).unwrap().id;
    tell(Marks::new([revoked::mark("rowhouse-demo", "another")].into_iter()));
    assert!((&mut one).now_or_never().is_none() && (&mut two).now_or_never().is_none(), "another was taken back");
    tell(Marks::new([revoked::mark("rowhouse-demo", &id)].into_iter()));
    ends(one).await;
    assert!((&mut two).now_or_never().is_none());
    identity.set_seeds(Seeds { current: &seed(9), previous: Some(&seed(7)) });
    assert!((&mut two).now_or_never().is_none(), "in its grace");
    identity.set_seeds(Seeds { current: &seed(9), previous: None });
    ends(two).await;
}

#[tokio::test]
async fn an_api_key_is_gone_when_it_was_taken_back_or_means_something_else() {
    let table = |entries: Vec<Entry>| Entries::new(entries.into_iter().map(|it| (ID_1.to_owned(), it)).collect());
    let key = format!("rh_{ID_1}_{}", secret("x"));
    let sound = entry(&secret("x"), None);
    let mut less = sound.clone();
    less.principal.roles.clear();
    for after in [Vec::new(), vec![less]] {
        let (copy, tell) = Copy::told(table(vec![sound.clone()]), Duration::ZERO);
        let identity = host(None, Some(ApiKeys::over(copy)));
        let mut gone = Box::pin(identity.gone(&identity.from_bearer(&key).await.unwrap()));
        tell(table(vec![sound.clone()]));
        assert!((&mut gone).now_or_never().is_none(), "the table was read again");
        tell(table(after));
        ends(gone).await;
    }
}

/// A list that grows too old to be believed ends what stands on it, with nobody saying anything.
#[tokio::test]
async fn what_is_not_known_any_more_is_gone() {
    let nearly = Duration::from_secs(5 * 60) - Duration::from_millis(1500);
    let (copy, _tell) = Copy::told(Marks::new([].into_iter()), nearly);
    let identity = host(Some(Revoked::over(copy)), None);
    let token = identity.issue("seattle", Duration::from_secs(60)).unwrap();
    let proof = identity.from_bearer(&token).await.unwrap();
    ends(identity.gone(&proof)).await;
    let refused = identity.from_bearer(&token).await.err().unwrap();
    assert!(refused.is_passing(), "{refused:?}");
}

/// Guesses take every place there is; a key that was proved needs none.
#[tokio::test]
async fn guessing_locks_nobody_out() {
    let entries = vec![(ID_1.to_owned(), entry(&secret("x"), None))];
    let identity = host(None, Some(ApiKeys::over(Copy::fixed(Entries::new(entries), Duration::ZERO))));
    let key = format!("rh_{ID_1}_{}", secret("x"));
    identity.from_bearer(&key).await.unwrap();
    let guesses: Vec<_> = (0..200).map(|at| format!("rh_{ID_1}_{at:0>43}")).collect();
    let mut all: Vec<_> = guesses.iter().map(|guess| Box::pin(identity.from_bearer(guess))).collect();
    let mut busy = 0;
    for guess in &mut all {
        if let Some(answer) = guess.now_or_never() {
            let refused = answer.err().expect("a guess");
            assert!(refused.reason() == Reason::Busy && refused.is_passing(), "{refused:?}");
            busy += 1;
        }
    }
    assert!(busy > 0, "every place is taken");
    assert!(identity.from_bearer(&key).await.is_ok());
}
