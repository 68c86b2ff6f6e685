//! The server as a library: started in a call, several side by side, stopped.

use futures::StreamExt as _;
use server_lifecycle::Embedded;

#[tokio::test(flavor = "multi_thread")]
async fn servers_side_by_side_know_nothing_of_each_other() {
    let (one, two) = tokio::task::spawn_blocking(|| {
        (Embedded::temporary().unwrap(), Embedded::temporary().unwrap())
    })
    .await
    .unwrap();
    assert_ne!(one.client_url(), two.client_url());
    let first = async_nats::connect(one.client_url()).await.unwrap();
    let second = async_nats::connect(two.client_url()).await.unwrap();
    let (js, other) =
        (async_nats::jetstream::new(first.clone()), async_nats::jetstream::new(second.clone()));
    let config = async_nats::jetstream::stream::Config {
        name: "ORDERS".into(),
        subjects: vec!["orders.*".into()],
        ..Default::default()
    };
    let mut stream = js.create_stream(config).await.unwrap();
    let ack = js.publish("orders.new", "two teapots".into()).await.unwrap().await.unwrap();
    assert_eq!(ack.sequence, 1);
    assert_eq!(stream.info().await.unwrap().state.messages, 1);
    assert!(other.get_stream("ORDERS").await.is_err(), "the other server has no such stream");
    let mut heard = second.subscribe("orders.*").await.unwrap();
    second.flush().await.unwrap();
    first.publish("orders.old", "x".into()).await.unwrap();
    first.flush().await.unwrap();
    second.publish("orders.mine", "y".into()).await.unwrap();
    assert_eq!(heard.next().await.unwrap().subject.as_str(), "orders.mine");
    tokio::task::spawn_blocking(move || drop((one, two))).await.unwrap();
}
