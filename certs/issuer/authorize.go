package issuer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"
)

// authorized places an order and has it authorized. Where a challenge fails, it is
// placed once more for those that are left: each kind fails once per name at most.
func (i *Issuer) authorized(ctx context.Context, to *api, draft acme.Order) (acme.Account, acme.Order, error) {
	failed := map[string]bool{} // kind of challenge and name
	var all []error             // of earlier attempts, too: the first one is of the kind that is liked best
	for attempt := 1; ; attempt++ {
		account, order, err := i.place(ctx, to, &draft)
		if err != nil {
			return account, order, err
		}
		err = i.authorize(ctx, to, account, order, failed)
		if err == nil {
			order, err = i.ready(ctx, to, account, order)
			return account, order, err
		}
		another := attempt < len(i.solvers) && ctx.Err() == nil
		for _, c := range challengeErrors(err) {
			failed[c.kind+" "+c.name] = true
			another = another && i.alternative(c, failed)
		}
		if all = append(all, err); len(challengeErrors(err)) == 0 || !another {
			return account, order, errors.Join(all...)
		}
		i.log.Info("challenge failed, another kind is tried", "ca", i.o.Name, "err", err)
	}
}

// place places the order. What it replaces is left out if the authority does not like
// it, and an account that it does not know is made anew.
func (i *Issuer) place(ctx context.Context, to *api, draft *acme.Order) (acme.Account, acme.Order, error) {
	renewed := false
	for {
		account, err := i.enroll(ctx, to)
		if err != nil {
			return account, acme.Order{}, err
		}
		order, err := to.NewOrder(ctx, account, *draft)
		if err == nil {
			return account, order, i.checkOrder(&order, draft)
		}
		p, ok := problem(err)
		switch {
		case ok && p.Type == acme.ProblemTypeAccountDoesNotExist && !renewed:
			renewed = true
			i.log.Warn("the authority does not know its account any more, a new one is made", "ca", i.o.Name)
			if err := i.renew(ctx, to, account); err != nil {
				return account, order, err
			}
		case ok && draft.Replaces != "" && aboutReplacing(p.Type):
			i.log.Info("the order does not say what it replaces", "ca", i.o.Name, "err", err)
			draft.Replaces = ""
		default:
			return account, order, fmt.Errorf("place order: %w", err)
		}
	}
}

// aboutReplacing tells whether a problem with an order may be what it replaces: another
// account's, forgotten, or replaced already (RFC 9773 §5).
func aboutReplacing(kind string) bool {
	switch kind {
	case acme.ProblemTypeAlreadyReplaced, acme.ProblemTypeMalformed, acme.ProblemTypeUnauthorized, acme.ProblemTypeServerInternal, "", "about:blank":
		return true
	}
	return false
}

func (i *Issuer) checkOrder(order, draft *acme.Order) error {
	switch {
	case order.Location == "" || order.Finalize == "":
		return errors.New("place order: the authority gave it no address")
	case len(order.Authorizations) > 2*len(draft.Identifiers):
		return fmt.Errorf("place order: the authority wants %d authorizations for %d names", len(order.Authorizations), len(draft.Identifiers))
	}
	order.Identifiers = draft.Identifiers // as asked: who answers is checked against them
	return nil
}

var errUndecided = errors.New("the authority was still looking when the time for it was up")

// task is one authorization on its way.
type task struct {
	authz  acme.Authorization
	name   string
	chal   acme.Challenge
	solver solver

	offered []string // kinds of challenges
}

func (t *task) failed(err error) *challengeError {
	return &challengeError{kind: t.chal.Type, name: t.name, offered: t.offered, err: err}
}

// authorize has all names of an order authorized, or returns what was wrong with each.
func (i *Issuer) authorize(ctx context.Context, to *api, account acme.Account, order acme.Order, failed map[string]bool) error {
	tasks, err := i.tasks(ctx, to, account, order, failed)
	if err != nil {
		return err
	}
	defer i.cleanUp(ctx, to, account, tasks)
	// All are published before any is waited for: records of DNS spread meanwhile.
	for _, t := range tasks {
		if err := t.solver.Present(ctx, t.chal); err != nil {
			return t.failed(fmt.Errorf("publish the answer: %w", err))
		}
	}
	for _, t := range tasks {
		if w, ok := t.solver.Solver.(acmez.Waiter); ok {
			if err := w.Wait(ctx, t.chal); err != nil {
				return t.failed(err)
			}
		}
	}
	var errs []error
	for _, t := range tasks {
		if _, err := to.InitiateChallenge(ctx, account, t.chal); err != nil {
			return fmt.Errorf("begin %s for %s: %w", t.chal.Type, t.name, err)
		}
	}
	for _, t := range tasks {
		if t.authz, err = to.PollAuthorization(ctx, account, t.authz); err != nil {
			if t.authz.Status == acme.StatusPending && late(err) {
				err = fmt.Errorf("%w: %w", errUndecided, err)
			}
			errs = append(errs, t.failed(err))
		}
	}
	return errors.Join(errs...)
}

// tasks chooses a challenge for every authorization that is still open.
func (i *Issuer) tasks(ctx context.Context, to *api, account acme.Account, order acme.Order, failed map[string]bool) (tasks []*task, err error) {
	thumbprint, err := account.Thumbprint()
	if err != nil {
		return nil, err
	}
	for _, url := range order.Authorizations {
		authz, err := to.GetAuthorization(ctx, account, url)
		if err != nil {
			return nil, fmt.Errorf("read authorization: %w", err)
		}
		if !slices.ContainsFunc(order.Identifiers, func(id acme.Identifier) bool { return covers(authz, id) }) {
			return nil, fmt.Errorf("the authority wants %q authorized, which was not asked for", brief(authz.IdentifierValue()))
		}
		if authz.Status == acme.StatusValid {
			continue
		}
		t := &task{authz: authz, name: authz.IdentifierValue()}
		if err := i.choose(t, failed); err != nil {
			return nil, err
		}
		// What is published is computed here, whatever the authority says it should be.
		t.chal.Identifier, t.chal.KeyAuthorization = authz.Identifier, t.chal.Token+"."+thumbprint
		tasks = append(tasks, t)
	}
	return tasks, nil
}

// covers tells whether an authorization is for an identifier that was asked for.
func covers(authz acme.Authorization, id acme.Identifier) bool {
	want := authz.Identifier
	if authz.Wildcard {
		want.Value = "*." + want.Value
	}
	return want == id
}

func (i *Issuer) choose(t *task, failed map[string]bool) error {
	for _, c := range t.authz.Challenges {
		t.offered = append(t.offered, c.Type)
	}
	for _, s := range i.solvers {
		n := slices.Index(t.offered, s.kind)
		if n < 0 || failed[s.kind+" "+t.name] {
			continue
		}
		t.chal, t.solver = t.authz.Challenges[n], s
		if !validToken(t.chal.Token) {
			return fmt.Errorf("the authority's challenge for %s has a token that is none", t.name)
		}
		return nil
	}
	return &noChallengeError{name: t.name, offered: t.offered, solvers: i.solvers}
}

// alternative tells whether another kind of challenge is left for a name, and might do
// better.
func (i *Issuer) alternative(c *challengeError, failed map[string]bool) bool {
	kind := ""
	if p, ok := problem(c.err); ok {
		kind = strings.TrimPrefix(p.Type, acme.ProblemTypeNamespace)
	}
	switch kind {
	case "caa", "rejectedIdentifier", "unsupportedIdentifier", "rateLimited", "userActionRequired", "accountDoesNotExist":
		return false // they hold for all kinds
	}
	for _, s := range i.solvers {
		if failed[s.kind+" "+c.name] || !slices.Contains(c.offered, s.kind) {
			continue
		}
		// A name without an address has none for the other kind, either.
		if kind == "dns" && c.kind != DNS01 && s.kind != DNS01 {
			continue
		}
		return true
	}
	return false
}

// cleanUp takes back what was published, and tells the authority of what will not be
// pursued: it allows so many open authorizations. Who left does not wait for that: it
// may have to give back the lock that others wait for. [Issuer.Close] waits.
func (i *Issuer) cleanUp(ctx context.Context, to *api, account acme.Account, tasks []*task) {
	left := errors.Is(ctx.Err(), context.Canceled)
	ctx = context.WithValue(context.WithoutCancel(ctx), refusalKey{}, nil)
	i.mu.Lock()
	if left = left && !i.closed; left {
		i.late.Go(func() { i.takeBack(ctx, to, account, tasks) })
	}
	i.mu.Unlock()
	if !left {
		i.takeBack(ctx, to, account, tasks)
	}
}

func (i *Issuer) takeBack(ctx context.Context, to *api, account acme.Account, tasks []*task) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for _, t := range tasks {
		if err := t.solver.CleanUp(ctx, t.chal); err != nil {
			i.log.Warn("the answer to a challenge was not taken back", "name", t.name, "challenge", t.chal.Type, "err", err)
		}
	}
	for _, t := range tasks {
		if t.authz.Status == acme.StatusPending {
			if _, err := to.DeactivateAuthorization(ctx, account, t.authz.Location); err != nil {
				i.log.Debug("an open authorization was left", "name", t.name, "err", err)
			}
		}
	}
}

// ready waits until the authority has noticed that all is authorized: some take a while.
func (i *Issuer) ready(ctx context.Context, to *api, account acme.Account, order acme.Order) (acme.Order, error) {
	if len(order.Authorizations) == 0 {
		return order, nil
	}
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		now, err := to.GetOrder(ctx, account, order)
		if err != nil {
			return order, fmt.Errorf("read order: %w", err)
		}
		order.Status = now.Status
		if now.Status != acme.StatusPending {
			return order, nil
		}
		select {
		case <-ctx.Done():
			return order, fmt.Errorf("the authority does not finish the order: %w", ctx.Err())
		case <-time.After(wait):
		}
	}
}
