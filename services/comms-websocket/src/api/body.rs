use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Body;
use tokio::time::timeout;

use super::problem::Problem;

/// Of a body that is not taken so much is read all the same: a client that is still sending would
/// find its connection reset, and no answer.
const SWALLOWED: usize = 4 * 1024 * 1024;
/// And no longer than this.
const SWALLOWING: Duration = Duration::from_secs(1);

/// Reads a body of at most `most` bytes.
pub(super) async fn read<B>(body: B, most: usize, patience: Duration) -> Result<Bytes, Problem>
where
    B: Body<Data = Bytes> + Unpin,
{
    timeout(patience, collect(body, most)).await.unwrap_or_else(|_late| Err(Problem::too_slow()))
}

async fn collect<B>(mut body: B, most: usize) -> Result<Bytes, Problem>
where
    B: Body<Data = Bytes> + Unpin,
{
    let told = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    let mut read = BytesMut::with_capacity(if told > most { 0 } else { told });
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_lost| Problem::malformed("the body did not come whole"))?;
        let Ok(data) = frame.into_data() else { continue };
        if told > most || read.len() + data.len() > most {
            swallow(body).await;
            return Err(Problem::too_large(format!(
                "a body of this call has at most {most} bytes"
            )));
        }
        read.extend_from_slice(&data);
    }
    Ok(read.freeze())
}

/// Reads what nobody will look at.
pub(super) async fn swallow<B>(mut body: B)
where
    B: Body<Data = Bytes> + Unpin,
{
    let all = async {
        let mut left = SWALLOWED;
        while let Some(Ok(frame)) = body.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            if left == 0 {
                return;
            }
        }
    };
    drop(timeout(SWALLOWING, all).await);
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures::stream;
    use http_body_util::{Full, StreamBody};
    use hyper::body::Frame;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    fn parts(sizes: Vec<usize>) -> impl Body<Data = Bytes, Error = Infallible> + Unpin {
        let frame = |size| Ok(Frame::data(Bytes::from(vec![b'x'; size])));
        StreamBody::new(stream::iter(sizes.into_iter().map(frame)))
    }

    #[tokio::test]
    async fn body_is_taken_up_to_the_limit_whether_its_length_is_told_or_not() {
        for (size, taken) in [(0, true), (99, true), (100, true), (101, false), (5_000_000, false)]
        {
            let told = read(Full::new(Bytes::from(vec![b'x'; size])), 100, PATIENCE).await;
            assert_eq!(told.as_ref().map(Bytes::len).ok(), taken.then_some(size));
            let untold = read(parts(vec![size / 2, size - size / 2]), 100, PATIENCE).await;
            assert_eq!(untold, told);
            assert!(taken || untold.unwrap_err().status == 413);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn body_that_never_ends_is_given_up() {
        let endless = StreamBody::new(stream::pending::<Result<Frame<Bytes>, Infallible>>());
        let outcome = read(endless, 100, PATIENCE).await;
        assert_eq!(outcome.unwrap_err().status, 408);
        let flood = stream::repeat_with(|| {
            Ok::<_, Infallible>(Frame::data(Bytes::from_static(&[0; 1024])))
        });
        assert_eq!(read(StreamBody::new(flood), 100, PATIENCE).await.unwrap_err().status, 413);
    }
}
