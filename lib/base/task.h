// UniqueFunction: a callable that is moved, not copied, so that it may own what it needs
// (std::function wants copies; std::move_only_function is C++23). Task: one posted piece of work.
// Executor: where it runs.
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

#include "base/check.h"

namespace blobd {

template <typename Signature>
class UniqueFunction;

template <typename Result, typename... Args>
class UniqueFunction<Result(Args...)> {
 public:
  UniqueFunction() = default;
  UniqueFunction(std::nullptr_t) {}  // NOLINT(google-explicit-constructor): like std::function
  template <typename F>
  requires(!std::is_same_v<std::decay_t<F>, UniqueFunction> &&
           std::is_invocable_r_v<Result, F&, Args...>)
      UniqueFunction(F&& f)  // NOLINT(google-explicit-constructor): like std::function
      : callable_(std::make_unique<Holder<std::decay_t<F>>>(std::forward<F>(f))) {}

  explicit operator bool() const { return callable_ != nullptr; }
  // REQUIRES: not empty
  Result operator()(Args... args) {
    BLOBD_CHECK(callable_ != nullptr);
    return callable_->Call(std::forward<Args>(args)...);
  }

 private:
  struct Callable {
    virtual ~Callable() = default;
    virtual Result Call(Args... args) = 0;
  };
  template <typename F>
  struct Holder final : Callable {
    template <typename G>
    explicit Holder(G&& g) : f(std::forward<G>(g)) {}
    Result Call(Args... args) override { return f(std::forward<Args>(args)...); }
    F f;
  };
  std::unique_ptr<Callable> callable_;
};

using Task = UniqueFunction<void()>;

// Runs tasks one after the other, in the order posted. Post may be called from any thread, never
// blocks and never runs the task before it returns. Tasks still queued when the executor ends are
// destroyed unrun.
class Executor {
 public:
  virtual ~Executor() = default;
  virtual void Post(Task task) = 0;
};

}  // namespace blobd
