use super::*;
use serde_json::Value;

fn at() -> Reference {
    Reference::read("oci://registry.example.com/zava/sales:0.1.0").expect("a reference")
}

fn artifact() -> Artifact {
    Artifact {
        component: b"\0asm and so on".to_vec(),
        signature: Some(b"signed".to_vec()),
        file: "sales.wasm".to_owned(),
        version: Some("0.1.0".to_owned()),
        imports: vec!["rowhouse:plugin/sql@0.1.0".to_owned()],
        exports: vec!["rowhouse:plugin/tools@0.1.0".to_owned()],
    }
}

#[test]
fn what_is_written_is_the_cncfs_form_and_reads_back() {
    let written = artifact().write();
    let manifest: Value = serde_json::from_slice(&written.manifest).expect("JSON");
    assert_eq!(manifest["schemaVersion"], 2);
    assert_eq!(manifest["mediaType"], "application/vnd.oci.image.manifest.v1+json");
    assert_eq!(manifest["config"]["mediaType"], "application/vnd.wasm.config.v0+json");
    assert_eq!(manifest["config"]["digest"], Digest::of(&written.config).to_string());
    assert_eq!(manifest["layers"].as_array().map(Vec::len), Some(1));
    assert_eq!(manifest["layers"][0]["mediaType"], "application/wasm");
    let config: Value = serde_json::from_slice(&written.config).expect("JSON");
    assert_eq!(config["layerDigests"], json!([manifest["layers"][0]["digest"]]));
    assert_eq!(config["component"]["imports"], json!(["rowhouse:plugin/sql@0.1.0"]));

    let described = read(&written.manifest, &at(), 1 << 20).expect("its own words");
    assert_eq!(described.component, Digest::of(b"\0asm and so on"));
    assert_eq!((described.size, described.signature.as_deref()), (14, Some(&b"signed"[..])));
    assert_eq!(described.version.as_deref(), Some("0.1.0"));
    assert_eq!(written.manifest, artifact().write().manifest, "pushed twice it is the same artifact");
}

#[test]
fn what_is_no_component_is_refused_before_it_is_read() {
    let good: Value = serde_json::from_slice(&artifact().write().manifest).expect("JSON");
    let check = |what: &str, change: fn(&mut Value), why: &str| {
        let mut manifest = good.clone();
        change(&mut manifest);
        let said = read(manifest.to_string().as_bytes(), &at(), 14).expect_err(what).to_string();
        assert!(said.contains(why), "{what}: {said}");
    };
    check(
        "a container image",
        |it| it["config"]["mediaType"] = "application/vnd.oci.image.config.v1+json".into(),
        "its config is not",
    );
    check("no layer", |it| it["layers"] = json!([]), "it has 0 layers");
    check("two", |it| it["layers"] = json!([it["layers"][0], it["layers"][0]]), "it has 2 layers");
    check(
        "an archive",
        |it| it["layers"][0]["mediaType"] = "application/vnd.oci.image.layer.v1.tar".into(),
        "its layer is not",
    );
    check("a path for a digest", |it| it["layers"][0]["digest"] = "sha256:../../key".into(), "no SHA-256");
    check(
        "another algorithm",
        |it| it["layers"][0]["digest"] = format!("sha512:{}", "0".repeat(128)).into(),
        "no SHA-256",
    );
    check("less than nothing", |it| it["layers"][0]["size"] = (-1).into(), "less than no bytes");
    check("too much", |it| it["layers"][0]["size"] = 15.into(), "15 bytes, and 14 are accepted");
    check(
        "another digest",
        |it| it["annotations"][COMPONENT] = format!("sha256:{}", "0".repeat(64)).into(),
        "does not have the digest",
    );
    check("no base64", |it| it["annotations"][SIGNATURE] = "!".into(), "not base64");
    check("a long signature", |it| it["annotations"][SIGNATURE] = "A".repeat(100_000).into(), "64 KiB");
    check("a list", |it| *it = json!({ "schemaVersion": 2, "manifests": [] }), "a list of others");
    check("no manifest", |it| *it = json!("hello"), "no manifest at all");
}
