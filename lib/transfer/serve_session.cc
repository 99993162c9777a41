#include "transfer/serve_session.h"

#include <utility>

#include "base/overloaded.h"
#include "transfer/serve_blobs.h"
#include "transfer/serve_observe.h"
#include "transfer/serve_request.h"
#include "wire/request.h"

namespace blobd::transfer {

ServeSession::ServeSession(ServeContext context, Bytes request)
    : context_(std::move(context)), request_(std::move(request)) {}

void ServeSession::Produce(size_t limit) {
  if (!std::exchange(begun_, true)) Begin();
  if (answer_ == nullptr) return context_.port->OnProduced(refusal_);
  answer_->Produce(limit);
}

void ServeSession::Begin() {
  auto decoded = wire::DecodeRequest(std::exchange(request_, Bytes()));
  if (!decoded.ok()) return;  // FIN after no byte, as providers answer what they cannot read
  const size_t memory = MemoryOf(decoded->request);
  std::visit(Overloaded{[&](wire::GetRequest& get) {
                          answer_ = std::make_shared<ServeBlobs>(
                              context_, ServeSelection(std::move(get)), memory);
                        },
                        [&](wire::GetManyRequest& many) {
                          answer_ = std::make_shared<ServeBlobs>(
                              context_, ServeSelection(std::move(many)), memory);
                        },
                        [&](wire::ObserveRequest& observe) {
                          answer_ = std::make_shared<ServeObserve>(context_, observe.hash);
                        },
                        [&](wire::PushRequest&) {
                          refusal_.next = Produced::Next::kReset;
                          refusal_.reset_code = kServeResetPermission;
                        }},
             decoded->request);
}

void ServeSession::Close() {
  begun_ = true;
  if (answer_ != nullptr) answer_->Close();
}

}  // namespace blobd::transfer
