#include "rpc/data_exchange.h"

#include <sys/stat.h>

#include <utility>

#include "base/error_reason.h"
#include "base/overloaded.h"
#include "rpc/error_text.h"

namespace blobd::rpc {
namespace {

constexpr size_t kMaxRequestBytes = 256;

v1::DataAnswer ErrorAnswer(const Status& status) {
  v1::DataAnswer answer;
  answer.mutable_error()->set_code(static_cast<int>(status.code()));
  answer.mutable_error()->set_message(MessageForCaller(status));
  answer.mutable_error()->set_reason(std::string(NameOf(ReasonOf(status))));
  return answer;
}

}  // namespace

void SendError(int connection, const Status& status) {
  SendDatagram(connection, ErrorAnswer(status).SerializeAsString(), -1);
}

DataExchange::~DataExchange() {
  job_ = nullptr;
  deps_.loop.Unwatch(connection_.fd());
  deps_.loop.CancelTimer(deadline_);
}

void DataExchange::Begin() {
  progress_at_ = deps_.loop.Now();
  const Status status = deps_.loop.Watch(connection_.fd(), EPOLLIN | EPOLLRDHUP,
                                         [this](uint32_t events) { OnEvent(events); });
  if (!status.ok()) return End();
  Arm(options_.request_timeout);
}

void DataExchange::OnEvent(uint32_t events) {
  if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) return End();
  if (state_ != State::kRequest) return;
  const bool take_descriptors = deps_.inspector.MayTake(caller_);
  auto datagram = ReceiveDatagram(connection_.fd(), kMaxRequestBytes, take_descriptors);
  if (!datagram) return;
  if (datagram->ended) return End();
  OnRequest(*std::move(datagram), take_descriptors);
}

void DataExchange::OnRequest(Datagram datagram, bool took_descriptors) {
  deps_.loop.CancelTimer(std::exchange(deadline_, 0));
  const auto grant = Check(datagram, took_descriptors);
  if (!grant.ok()) deps_.inspector.Close(caller_, std::move(datagram.descriptors));
  // From here on only its end is of interest; it has nothing more to say.
  if (!deps_.loop.ChangeEvents(connection_.fd(), EPOLLRDHUP).ok()) return End();
  if (!grant.ok()) return Refuse(grant.status());
  std::visit(Overloaded{[&](const OpenGrant& open) { StartOpen(open.hash); },
                        [&](const ImportGrant& import) {
                          is_private_ = import.is_private;
                          state_ = State::kLook;
                          deps_.inspector.Inspect(
                              caller_, std::move(datagram.descriptors.front()),
                              [weak = weak_from_this()](StatusOr<store::Descriptor> source) {
                                if (const auto self = weak.lock())
                                  self->OnInspected(std::move(source));
                              });
                        }},
             *grant);
}

StatusOr<Grant> DataExchange::Check(const Datagram& datagram, bool took_descriptors) {
  if (datagram.cut && !took_descriptors) {
    return WithReason(Reason::kDescriptorUnusable,
                      MakeStatus(StatusCode::kUnimplemented,
                                 "descriptors that you sent before keep us waiting still; send the "
                                 "bytes with Blobs.Add"));
  }
  if (datagram.cut)
    return ErrorFor(Reason::kMalformedRequest, "a request has at most {} bytes and one descriptor",
                    kMaxRequestBytes);
  v1::DataRequest request;
  if (!request.ParseFromString(datagram.bytes))
    return ErrorFor(Reason::kMalformedRequest, "the request is no blobd.v1.DataRequest");
  BLOBD_ASSIGN_OR_RETURN(Grant grant,
                         deps_.tokens.Redeem(SystemClock().Now(), caller_.uid, request.token()));
  const bool is_import = std::holds_alternative<ImportGrant>(grant);
  if (!is_import && !datagram.descriptors.empty())
    return ErrorFor(Reason::kMalformedRequest, "a token of Open goes without a descriptor");
  if (is_import && datagram.descriptors.size() != 1) {
    return ErrorFor(Reason::kMalformedRequest,
                    "a token of Import goes with one descriptor; {} came",
                    datagram.descriptors.size());
  }
  return grant;
}

void DataExchange::StartOpen(const Hash& hash) {
  state_ = State::kWork;
  deps_.store.OpenDescriptor(hash, deps_.loop,
                             [weak = weak_from_this()](StatusOr<store::BlobDescriptor> blob) {
                               if (const auto self = weak.lock()) self->OnOpened(std::move(blob));
                             });
}

void DataExchange::OnOpened(StatusOr<store::BlobDescriptor> blob) {
  if (!blob.ok()) return Refuse(blob.status());
  v1::DataAnswer answer;
  answer.mutable_opened()->set_size(blob->size);
  ++deps_.counts.opened;
  Answer(answer, blob->file.fd());
}

void DataExchange::OnInspected(StatusOr<store::Descriptor> source) {
  if (!source.ok()) return Refuse(source.status());
  source_ = *std::move(source);
  struct stat info {};
  if (fstat(source_.fd(), &info) == 0) source_size_ = static_cast<uint64_t>(info.st_size);
  state_ = State::kTurn;
  Arm(options_.turn_timeout);
  deps_.host.AwaitTurn(*this);
}

void DataExchange::StartImport() {
  has_turn_ = true;
  state_ = State::kWork;
  deps_.loop.CancelTimer(std::exchange(deadline_, 0));
  // Others answer on their own threads; here everything happens on the loop.
  Executor& loop = deps_.loop;
  deps_.keep(
      caller_,
      [weak = weak_from_this(), &loop](Added added) {
        loop.Post([weak, added = std::move(added)]() mutable {
          const auto self = weak.lock();
          if (self == nullptr) return added(Cancelled("the caller hung up"));
          self->ImportNow(std::move(added));
        });
      },
      [weak = weak_from_this(), &loop](const Status& status) {
        loop.Post([weak, status] {
          if (const auto self = weak.lock()) self->OnKept(status);
        });
      });
}

void DataExchange::ImportNow(Added added) {
  job_ = deps_.store.ImportDescriptor(
      std::move(source_), {is_private_}, deps_.loop,
      [weak = weak_from_this()](uint64_t bytes) {
        if (const auto self = weak.lock()) self->OnProgress(bytes);
      },
      [weak = weak_from_this(),
       added = std::move(added)](const StatusOr<store::Import::Result>& result) mutable {
        const auto self = weak.lock();
        if (!result.ok()) return added(result.status());
        if (self == nullptr) return added(Cancelled("the caller hung up"));
        self->OnImported(*result, std::move(added));
      });
}

// A peer that did not receive the last one is not told more, so that there is always room for the
// answer.
void DataExchange::OnProgress(uint64_t bytes) {
  const Instant now = deps_.loop.Now();
  if (state_ != State::kWork || now - progress_at_ < options_.progress_interval ||
      UnreceivedBytes(connection_.fd()) != 0) {
    return;
  }
  progress_at_ = now;
  v1::DataAnswer answer;
  answer.mutable_progress()->set_done_bytes(bytes);
  answer.mutable_progress()->set_total_bytes(source_size_);
  SendDatagram(connection_.fd(), answer.SerializeAsString(), -1);
}

void DataExchange::OnImported(const store::Import::Result& result, Added added) {
  result_ = result;
  added(std::vector{Kind{result.hash, BlobFormat::kRaw}});
}

void DataExchange::OnKept(const Status& status) {
  has_turn_ = false;
  deps_.host.EndTurn(*this);
  if (!status.ok()) return Refuse(status);
  v1::DataAnswer answer;
  answer.mutable_imported()->set_hash(result_.hash.ToHex());
  answer.mutable_imported()->set_size(result_.size);
  answer.mutable_imported()->set_existed(result_.was_there);
  ++deps_.counts.imported;
  Answer(answer, -1);
}

void DataExchange::Refuse(const Status& status) {
  ++deps_.counts.refused;
  if (deps_.calls != nullptr) deps_.calls->Note("the data socket", status);
  Answer(ErrorAnswer(status), -1);
}

void DataExchange::Answer(const v1::DataAnswer& answer, int descriptor) {
  state_ = State::kAnswered;
  switch (SendDatagram(connection_.fd(), answer.SerializeAsString(), descriptor)) {
    case Sent::kSent:
      return Arm(options_.answer_timeout);
    case Sent::kNoRoom:  // only for descriptors: too many of ours are on their way
      SendError(connection_.fd(),
                ErrorFor(Reason::kNoResources, "too many descriptors are on their way; try again"));
      return Arm(options_.answer_timeout);
    case Sent::kGone:
      return End();
  }
}

void DataExchange::Arm(Duration timeout) {
  deadline_ = deps_.loop.AddTimer(deps_.loop.Now() + timeout, [this] { OnDeadline(); });
}

void DataExchange::OnDeadline() {
  deadline_ = 0;
  if (state_ == State::kRequest) {
    ++deps_.counts.refused;
    SendError(connection_.fd(), DeadlineExceeded("no request came; get a new token and try again"));
    return End();
  }
  if (state_ == State::kTurn) {
    deps_.host.GiveUpTurn(*this);
    return Refuse(WithReason(
        Reason::kTooManyCalls,
        Unavailable("other imports are under way; try again, or send the bytes with Blobs.Add")));
  }
  if (UnreceivedBytes(connection_.fd()) != 0) return Arm(options_.answer_timeout);
  End();
}

}  // namespace blobd::rpc
