// Package exchangetest holds requests without a network, and the contract of
// [exchange.Handler] and [exchange.Filter] as checks that every implementation
// runs: [TestHandler], [TestFilter].
package exchangetest
