//! The contract in its published form travels as a component does.

use super::Desk;
use super::server::Registry;
use crate::harness::root;

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_travels_as_a_component_does() {
    let (desk, registry) = (Desk::new().await, Registry::open().await);
    let package = xtask::wit::package(root()).expect("a package");
    let file = package.file();
    std::fs::write(desk.path().join(&file), &package.bytes).expect("a file of ours");
    let at = registry.at(&format!("rowhouse/plugin:{}", package.version));
    desk.does(&["push", &file, &at]).await;
    let pulled = desk.told(&["pull", &at, "--to", "here", "--name", "contract"]).await;
    assert_eq!(pulled["signed"], false, "{pulled}");
    assert_eq!(std::fs::read(desk.path().join("here/contract.wasm")).expect("pulled"), package.bytes);
    // It has no tools: a host that finds it among its plugins says so, and publishes nothing.
    std::fs::copy(desk.path().join(&file), desk.path().join("contract.wasm")).expect("a file of ours");
    desk.does(&["sign", "--beside", "--key", "zava.key", "contract.wasm"]).await;
    assert!(desk.fails(&["publish", "contract.wasm", &at]).await.contains("not published: "));
}
