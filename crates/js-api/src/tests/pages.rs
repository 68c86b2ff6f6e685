//! Listings come in pages.

use super::{World, json};

#[test]
fn names_and_lists_are_paged() {
    let dir = tempfile::tempdir().expect("a directory");
    let world = World::open(dir.path());
    let mut client = world.client();
    for n in 0..260 {
        let create = format!(r#"{{"name":"S{n:04}","storage":"memory"}}"#);
        let reply = client.request(&format!("$JS.API.STREAM.CREATE.S{n:04}"), &create);
        assert!(!reply.contains("error"), "{reply}");
    }
    // (offset, streams in the page, first of them)
    for (offset, len, first) in
        [(0, 256, "S0000"), (4, 256, "S0004"), (5, 255, "S0005"), (259, 1, "S0259")]
    {
        let page =
            json(&client.request("$JS.API.STREAM.LIST", &format!(r#"{{"offset":{offset}}}"#)));
        assert_eq!((&page["total"], &page["limit"]), (&260.into(), &256.into()));
        assert_eq!(page["offset"], offset);
        let streams = page["streams"].as_array().expect("a list");
        assert_eq!(streams.len(), len);
        assert_eq!(streams[0]["config"]["name"], first);
    }
    let beyond = json(&client.request("$JS.API.STREAM.LIST", r#"{"offset":261}"#));
    assert_eq!((&beyond["offset"], &beyond["streams"]), (&260.into(), &serde_json::json!([])));
    let names = json(&client.request("$JS.API.STREAM.NAMES", ""));
    assert_eq!(names["streams"].as_array().map(Vec::len), Some(260));
    for n in 0..260 {
        let create = format!(
            r#"{{"stream_name":"S0000","config":{{"name":"C{n:04}","mem_storage":true}}}}"#
        );
        let reply = client.request(&format!("$JS.API.CONSUMER.CREATE.S0000.C{n:04}"), &create);
        assert!(!reply.contains("error"), "{reply}");
    }
    for (offset, len, first) in [(0, 256, "C0000"), (200, 60, "C0200")] {
        let request = format!(r#"{{"offset":{offset}}}"#);
        let page = json(&client.request("$JS.API.CONSUMER.LIST.S0000", &request));
        assert_eq!((&page["total"], &page["limit"]), (&260.into(), &256.into()));
        let consumers = page["consumers"].as_array().expect("a list");
        assert_eq!(consumers.len(), len);
        assert_eq!(consumers[0]["name"], first);
    }
}
