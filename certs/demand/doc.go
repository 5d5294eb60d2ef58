// Package demand is the guard before certificates that are issued when a visitor
// asks for a name: it decides which names may have one, and how many orders visitors
// can cause. Whoever can reach the port can send any name, so both have bounds that a
// flood does not move.
//
// # Which names
//
// A name is a plain one in lower case that a public authority could certify: see
// [ReasonName]. It is allowed if a pattern in Options.Allow matches. Otherwise those
// who can be asked are, Options.Decide first and then Options.Ask, and all of them have
// to say yes. Their answer counts for the name, whoever asks for it next: the client's
// address is told to them as a fact, not as a part of the question.
//
// Answers are kept. If nobody can be asked when an answer has run out, the old one
// counts a while longer, so that a name goes on working when the one who vouched for it
// is away. After a failure the name is not asked about for a few seconds; after several
// failures in a row there is one question at a time, and names with an old answer do
// not wait for it.
//
// # What a flood costs
//
// Names that are not known yet take from budgets of questions, per client and in total,
// and are refused when those are spent, at once. Names that have a yes do not
// take from them, and have room of their own among the questions in flight. Names that
// were refused are kept apart from those that were allowed and cannot push them out.
//
// [Guard.Begin] takes from the budgets of issuances, for renewals too if they are
// passed through it. It never waits.
//
// # What the budgets promise
//
// A budget of N per time lets N through at once, and then one for each Nth of the time;
// never more than twice N in any such time. They live in tables of fixed size that
// forget nothing: a table has two rows, a key falls on one place in each, and a place
// adds up the debts of all keys on it. So nobody can get more than its budget, however
// many keys a flood invents. The other way round, a key that shares both its places
// with spent ones gets less; which keys share a place is different in every process, so
// a flood cannot aim.
//
// Clients are IPv4 addresses and IPv6 /64 networks; a /48 has four times their budget.
//
// A guard belongs to the process. Over a reload that does not change its options it
// should be kept: a new one knows no answers and no debts.
//
// This package imports nothing of weir.
package demand
