// Overloaded: one visitor out of several lambdas, for std::visit.
#pragma once

namespace blobd {

template <class... Lambdas>
struct Overloaded : Lambdas... {
  using Lambdas::operator()...;
};
template <class... Lambdas>
Overloaded(Lambdas...) -> Overloaded<Lambdas...>;  // clang 14 needs the guide

}  // namespace blobd
