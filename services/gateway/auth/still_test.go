package auth

import (
	"context"
	"errors"
	"testing"
	"time"

	"backupmonitor/services/internal/store"
)

// oneToken is a table of users with one API token.
type oneToken struct {
	oneUser
	token store.APIToken
}

func (o *oneToken) APIToken(_ context.Context, id string) (store.APIToken, error) {
	if id != o.token.ID {
		return store.APIToken{}, store.ErrNotFound
	}
	return o.token, nil
}

// Whoever was recognised is so no longer as soon as anything is changed that would
// have their token refused: a request that goes on must not outlive it.
func TestStill(t *testing.T) {
	t.Parallel()
	past := now.Add(-time.Second)
	for what, change := range map[string]struct {
		user  func(*store.User)
		token func(*store.APIToken)
	}{
		"disabled":                        {user: func(u *store.User) { u.Active = false }},
		"another role":                    {user: func(u *store.User) { u.Type = string(Admin) }},
		"no role":                         {user: func(u *store.User) { u.Type = "X" }},
		"another password":                {user: func(u *store.User) { u.PasswordHash = "other" }},
		"disabled, and enabled again":     {user: func(u *store.User) { u.SessionEpoch = "2" }},
		"the token is revoked":            {token: func(t *store.APIToken) { t.RevokedAt = &past }},
		"the token has ended":             {token: func(t *store.APIToken) { t.ExpiresAt = &past }},
		"the token may do something else": {token: func(t *store.APIToken) { t.Scope = string(ScopeDisplay) }},
		"the token is gone":               {token: func(t *store.APIToken) { t.ID = "other" }},
	} {
		users := &oneToken{
			oneUser: oneUser{users: map[string]store.User{"jo": {ID: "jo", Type: string(Support), Active: true, PasswordHash: "hash", SessionEpoch: "1"}}},
			token:   store.APIToken{ID: "abc", Scope: string(ScopeRead)},
		}
		a := &Auth{Users: users, Tokens: tokens(t, now), Now: func() time.Time { return now }}
		user := users.users["jo"]
		c, byToken := Caller{User: user, Role: Support}, change.token != nil
		if byToken {
			token := users.token
			c = a.callerOf(token, now.Add(time.Hour))
		}
		if err := a.Still(t.Context(), c); err != nil {
			t.Errorf("before %s: %v", what, err)
		}
		if byToken {
			change.token(&users.token)
		} else {
			change.user(&user)
			users.users["jo"] = user
		}
		if err := a.Still(t.Context(), c); !errors.Is(err, ErrBadToken) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// A ticket opens nothing any more when the session has ended that it was made in,
// though its own time is not over.
func TestATicketEndsWithItsSession(t *testing.T) {
	t.Parallel()
	clock := now
	users := &oneUser{users: map[string]store.User{"jo": {ID: "jo", Type: string(Support), Active: true, PasswordHash: "hash"}}}
	a := &Auth{Users: users, Tokens: tokens(t, now), Now: func() time.Time { return clock }}
	ticket, _, err := a.Tokens.IssueTicket(Caller{User: users.users["jo"], Role: Support, Expires: now.Add(10 * time.Second)})
	if err != nil {
		t.Fatal(err)
	}
	if c, err := a.RecogniseTicket(t.Context(), ticket); err != nil || c.User.ID != "jo" {
		t.Errorf("while the session lasts: %+v, %v", c, err)
	}
	clock = now.Add(10 * time.Second)
	if _, err := a.RecogniseTicket(t.Context(), ticket); !errors.Is(err, ErrBadToken) {
		t.Errorf("when it has ended: %v", err)
	}
}
