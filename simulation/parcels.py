"""What travels between simulated nodes: the messages of the product."""

from chainnode.peer_messages import BatchBytes, BatchRequest, BlockRangeReply, BlockRangeRequest, DecidedBlock
from chainnode.wire import Message

Parcel = Message

__all__ = ["BatchBytes", "BatchRequest", "BlockRangeReply", "BlockRangeRequest", "DecidedBlock", "Parcel"]
