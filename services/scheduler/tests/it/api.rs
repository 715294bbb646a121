use tonic::Code;
use yard_contracts::schedule::v1::{
    GetLeadershipRequest, ListFiresRequest, ListSchedulesRequest, RunScheduleRequest,
};
use yard_testkit::eventually;

use crate::support::{PATIENCE, World, uuid};

const NAME: &str = "partition-maintenance";

fn run() -> RunScheduleRequest {
    RunScheduleRequest { schedule: NAME.to_owned() }
}

async fn seeded(world: &World) {
    let seeded = "select count(*) from platform.schedules where next_fire_at is not null";
    eventually(PATIENCE, || async { world.number(seeded).await == 3 }).await;
}

#[tokio::test]
async fn schedule_is_run_by_hand_on_any_instance_beside_its_plan() {
    let world = World::new().await;
    let leader = world.start().await;
    let epoch = world.leads(leader.rt.instance()).await;
    seeded(&world).await;
    let follower = world.start().await;
    let next = format!("select next_fire_at from platform.schedules where name = '{NAME}'");
    let planned = world.db.sql(&next).await;
    let fire = follower.client().run_schedule(world.ops(run())).await.unwrap().into_inner();
    assert_eq!((fire.cause.as_str(), fire.epoch), ("by hand", epoch));
    let again = leader.client().run_schedule(world.ops(run())).await.unwrap().into_inner();
    assert_ne!(uuid(&fire.fire_id), uuid(&again.fire_id));
    eventually(PATIENCE, || async { world.wishes().await == 2 }).await;
    assert_eq!(world.db.sql(&next).await, planned);
    leader.stop().await;
    follower.stop().await;
}

#[tokio::test]
async fn schedule_unknown_or_without_right_is_refused() {
    let world = World::new().await;
    let service = world.start().await;
    seeded(&world).await;
    let mut client = service.client();
    let unknown = RunScheduleRequest { schedule: "nothing".to_owned() };
    let refused = client.run_schedule(world.ops(unknown)).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    assert_eq!(refused.metadata().get("yard-code").unwrap(), "schedule.unknown");
    let asked = ListFiresRequest { schedule: "nothing".to_owned(), ..Default::default() };
    assert_eq!(client.list_fires(world.ops(asked)).await.unwrap_err().code(), Code::NotFound);
    let reader = world.request(&["ops.read"], run());
    assert_eq!(client.run_schedule(reader).await.unwrap_err().code(), Code::PermissionDenied);
    let nobody = client.run_schedule(run()).await.unwrap_err();
    assert_eq!(nobody.code(), Code::Unauthenticated);
    assert_eq!(world.fires(NAME).await, 0);
    service.stop().await;
}

#[tokio::test]
async fn schedules_fires_and_leadership_are_shown() {
    let world = World::new().await;
    let service = world.start().await;
    let epoch = world.leads(service.rt.instance()).await;
    seeded(&world).await;
    let mut client = service.client();
    for _ in 0..5 {
        client.run_schedule(world.ops(run())).await.unwrap();
    }
    let answer = client.list_schedules(world.ops(ListSchedulesRequest {})).await.unwrap();
    let schedules = answer.into_inner().schedules;
    let names: Vec<_> = schedules.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["job-history-cleanup", NAME, "presence-sweep"]);
    assert!(schedules[1].last_fire_at.is_some() && schedules[1].next_fire_at.is_some());
    let (mut found, mut token) = (Vec::new(), String::new());
    loop {
        let asked = ListFiresRequest { schedule: NAME.to_owned(), page_size: 2, page_token: token };
        let page = client.list_fires(world.ops(asked)).await.unwrap().into_inner();
        found.extend(page.fires.into_iter().map(|fire| (fire.fired_at.unwrap(), fire.fire_id)));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(found.len(), 5);
    let nanos = |at: &prost_types::Timestamp| (at.seconds, at.nanos);
    assert!(found.windows(2).all(|pair| nanos(&pair[0].0) >= nanos(&pair[1].0)));
    let asked = world.ops(GetLeadershipRequest {});
    let leadership = client.get_leadership(asked).await.unwrap().into_inner();
    assert_eq!((leadership.holder.as_str(), leadership.epoch), (service.rt.instance(), epoch));
    service.stop().await;
}
