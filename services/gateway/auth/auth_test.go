package auth

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"
	"golang.org/x/crypto/bcrypt"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	key = []byte(strings.Repeat("k", MinSecretBytes))
	now = time.Date(2026, 2, 21, 10, 0, 0, 0, time.UTC)
)

func tokens(t *testing.T, at time.Time) *Tokens {
	t.Helper()
	tk, err := NewTokens(key, nil, time.Hour, func() time.Time { return at })
	if err != nil {
		t.Fatal(err)
	}
	return tk
}

func TestTokenOfOurs(t *testing.T) {
	t.Parallel()
	token, err := tokens(t, now).Issue(store.User{ID: "32787"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := tokens(t, now.Add(59*time.Minute)).Verify(token)
	if err != nil || got.UserID != "32787" || !got.Expires.Equal(now.Add(time.Hour)) || !got.Of(store.User{ID: "32787"}) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := tokens(t, now.Add(time.Hour+leeway+time.Second)).Verify(token); !errors.Is(err, ErrBadToken) {
		t.Errorf("after its end: %v", err)
	}
	if _, err := tokens(t, now.Add(-leeway-time.Second)).Verify(token); !errors.Is(err, ErrBadToken) {
		t.Errorf("before its beginning: %v", err)
	}
	for i := range token {
		forged := token[:i] + string(token[i]^1) + token[i+1:]
		if _, err := tokens(t, now).Verify(forged); !errors.Is(err, ErrBadToken) {
			t.Errorf("with byte %d changed: %v", i, err)
		}
	}
}

func TestTokensThatAreNotOurs(t *testing.T) {
	t.Parallel()
	good := func() jwt.MapClaims {
		return jwt.MapClaims{"iss": issuer, "aud": audience, "sub": "a", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "stp": "x"}
	}
	without := func(name string) jwt.MapClaims { c := good(); delete(c, name); return c }
	with := func(name string, v any) jwt.MapClaims { c := good(); c[name] = v; return c }
	cases := map[string]struct {
		method jwt.SigningMethod
		key    any
		claims jwt.MapClaims
	}{
		"alg none":          {jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, good()},
		"HS384":             {jwt.SigningMethodHS384, key, good()},
		"HS512":             {jwt.SigningMethodHS512, key, good()},
		"another key":       {jwt.SigningMethodHS256, []byte(strings.Repeat("x", 32)), good()},
		"an empty key":      {jwt.SigningMethodHS256, []byte{}, good()},
		"without exp":       {jwt.SigningMethodHS256, key, without("exp")},
		"without iat":       {jwt.SigningMethodHS256, key, without("iat")},
		"without iss":       {jwt.SigningMethodHS256, key, without("iss")},
		"without aud":       {jwt.SigningMethodHS256, key, without("aud")},
		"without sub":       {jwt.SigningMethodHS256, key, without("sub")},
		"another issuer":    {jwt.SigningMethodHS256, key, with("iss", "other")},
		"another audience":  {jwt.SigningMethodHS256, key, with("aud", "other")},
		"a ticket's":        {jwt.SigningMethodHS256, key, with("aud", ticketAudience)},
		"without a stamp":   {jwt.SigningMethodHS256, key, without("stp")},
		"an API token's":    {jwt.SigningMethodHS256, key, with("api", true)},
		"issued tomorrow":   {jwt.SigningMethodHS256, key, with("iat", now.Add(24*time.Hour).Unix())},
		"ended yesterday":   {jwt.SigningMethodHS256, key, with("exp", now.Add(-24*time.Hour).Unix())},
		"not before in 1 h": {jwt.SigningMethodHS256, key, with("nbf", now.Add(time.Hour).Unix())},
	}
	check := tokens(t, now)
	for name, c := range cases {
		s, err := jwt.NewWithClaims(c.method, c.claims).SignedString(c.key)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := check.Verify(s); !errors.Is(err, ErrBadToken) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s, err := jwt.NewWithClaims(jwt.SigningMethodHS256, good()).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := check.Verify(s); err != nil {
		t.Errorf("the cases rest on a token that is not good itself: %v", err)
	}
	for _, s := range []string{"", ".", "..", "a.b.c", s + "."} {
		if _, err := check.Verify(s); !errors.Is(err, ErrBadToken) {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func passwords(t *testing.T) *Passwords {
	t.Helper()
	p, err := NewPasswords(bcrypt.MinCost, 2)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPasswords(t *testing.T) {
	t.Parallel()
	p := passwords(t)
	hash, err := p.Hash(t.Context(), "secret")
	if err != nil {
		t.Fatal(err)
	}
	long, err := p.Hash(t.Context(), strings.Repeat("x", 72))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		hash, password string
		ok, malformed  bool
	}{
		"right":                {hash, "secret", true, false},
		"right, $2b":           {strings.Replace(hash, "$2a", "$2b", 1), "secret", true, false},
		"right, padded column": {hash + "     ", "secret", true, false},
		"wrong":                {hash, "Secret", false, false},
		"empty":                {hash, "", false, false},
		"72 bytes":             {long, strings.Repeat("x", 72), true, false},
		"73 bytes":             {long, strings.Repeat("x", 73), false, false},
		"nobody":               {"", "secret", false, false},
		"plain text in place":  {"secret", "secret", false, true},
		"another scheme":       {"$2y" + hash[3:], "secret", false, true},
		"cut off":              {hash[:59], "secret", false, true},
		"a cost without end":   {"$2a$31$" + hash[7:], "secret", false, true},
		"not of the alphabet":  {hash[:59] + "!", "secret", false, true},
	} {
		ok, malformed, err := p.Matches(t.Context(), c.hash, c.password)
		if ok != c.ok || malformed != c.malformed || err != nil {
			t.Errorf("%s: %t, %t, %v", name, ok, malformed, err)
		}
	}
	for _, bad := range []string{"", strings.Repeat("x", 73)} {
		if _, err := p.Hash(t.Context(), bad); !errors.Is(err, ErrBadPassword) {
			t.Errorf("a password of %d bytes: %v", len(bad), err)
		}
	}
}

// Each way of being wrong costs the same, and so does being right: what
// comparing costs is counted in units of the least cost.
func TestRefusalsTakeAsLong(t *testing.T) {
	t.Parallel()
	p, err := NewPasswords(bcrypt.MinCost+4, 1)
	if err != nil {
		t.Fatal(err)
	}
	spent := 0
	p.compare = func(hash, password []byte) error {
		cost, err := bcrypt.Cost(hash)
		if err != nil {
			t.Error(err)
		}
		spent += 1 << (cost - bcrypt.MinCost)
		return bcrypt.CompareHashAndPassword(hash, password)
	}
	hash, err := p.Hash(t.Context(), "secret")
	if err != nil {
		t.Fatal(err)
	}
	// As an older system made it.
	low, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost+1)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string][2]string{
		"wrong": {hash, "wrong"}, "right": {hash, "secret"}, "nobody": {"", "wrong"}, "malformed": {"x", "wrong"},
		"too long": {hash, strings.Repeat("x", 100)}, "a low cost, wrong": {string(low), "wrong"}, "a low cost, right": {string(low), "secret"},
	} {
		spent = 0
		ok, _, err := p.Matches(t.Context(), c[0], c[1])
		if err != nil || ok != strings.HasSuffix(name, "right") {
			t.Errorf("%s: %t, %v", name, ok, err)
		}
		if spent != 1<<4 {
			t.Errorf("%s costs %d and not %d", name, spent, 1<<4)
		}
	}
	for i, dummy := range p.dummy {
		cost, err := bcrypt.Cost(dummy)
		if err != nil || cost != bcrypt.MinCost+i || !errors.Is(bcrypt.CompareHashAndPassword(dummy, []byte("x")), bcrypt.ErrMismatchedHashAndPassword) {
			t.Errorf("the dummy of cost %d: cost %d, %v", bcrypt.MinCost+i, cost, err)
		}
	}
}

func TestTooManyComparisonsAtOnce(t *testing.T) {
	t.Parallel()
	p := passwords(t)
	for range cap(p.turns) {
		p.turns <- struct{}{}
	}
	if _, _, err := p.Matches(t.Context(), "", "x"); !errors.Is(err, ErrBusy) {
		t.Errorf("%v", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := p.Matches(gone, "", "x"); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// oneUser is a table of users without any, or with one.
type oneUser struct {
	mu    sync.Mutex
	users map[string]store.User
}

func (o *oneUser) User(_ context.Context, id string) (store.User, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	u, ok := o.users[id]
	if !ok {
		return u, store.ErrNotFound
	}
	return u, nil
}

func (o *oneUser) CountUsers(context.Context) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.users), nil
}

func (o *oneUser) AddUser(_ context.Context, u store.User, _ ...store.Note) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, ok := o.users[u.ID]; ok {
		return store.ErrExists
	}
	o.users[u.ID] = u
	return nil
}

func (o *oneUser) SignInFailed(_ context.Context, _ string, note func(int) store.Note) (int, error) {
	note(1)
	return 1, nil
}

func (o *oneUser) SignedIn(context.Context, string, time.Time, int, ...store.Note) (bool, error) {
	return true, nil
}

func (o *oneUser) APIToken(context.Context, string) (store.APIToken, error) {
	return store.APIToken{}, store.ErrNotFound
}

func (o *oneUser) APITokenUsed(context.Context, string, time.Time, string) error { return nil }

// told is a trail that keeps what it was told.
type told struct {
	mu     sync.Mutex
	events []events.Audited
}

func (t *told) Note(e events.Audited) store.Note {
	t.keep(e)
	return store.Note{Audited: e}
}

func (t *told) Committed() {}

func (t *told) Refused(_ context.Context, e events.Audited) error {
	t.keep(e)
	return nil
}

func (t *told) keep(e events.Audited) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.events = append(t.events, e)
}

func bootstrapper(t *testing.T) (*Auth, *oneUser, *told) {
	t.Helper()
	users, trail := &oneUser{users: map[string]store.User{}}, &told{}
	return &Auth{
		Users: users, Passwords: passwords(t), Tokens: tokens(t, now), Now: func() time.Time { return now },
		Trail: trail, Logger: slog.New(slog.DiscardHandler),
	}, users, trail
}

func TestTheFirstAdmin(t *testing.T) {
	t.Parallel()
	a, users, audited := bootstrapper(t)
	made, err := a.Bootstrap(t.Context(), "admin", "")
	if err != nil || !made.Created || len(made.Password) < 20 {
		t.Fatalf("%+v, %v", made, err)
	}
	u, _, err := a.SignIn(t.Context(), Attempt{UserID: "admin", Password: made.Password})
	if err != nil || u.Type != "A" {
		t.Errorf("signing in with the password made up: %+v, %v", u, err)
	}
	if strings.Contains(users.users["admin"].PasswordHash, made.Password) || len(audited.events) != 2 || audited.events[0].Object != "admin" {
		t.Errorf("%+v", audited.events)
	}
	if again, err := a.Bootstrap(t.Context(), "other", "password"); err != nil || again.Created || len(users.users) != 1 {
		t.Errorf("with a user there: %+v, %v", again, err)
	}
	b, _, _ := bootstrapper(t)
	if made, err := b.Bootstrap(t.Context(), "admin", "chosen by me"); err != nil || !made.Created || made.Password != "" {
		t.Errorf("with a password given: %+v, %v", made, err)
	}
	c, users, _ := bootstrapper(t)
	for _, bad := range []string{strings.Repeat("xyz!", 19), "admin123", "short"} {
		if _, err := c.Bootstrap(t.Context(), "admin", bad); !errors.Is(err, ErrBadPassword) || len(users.users) != 0 {
			t.Errorf("with the password %q: %v", bad, err)
		}
	}
}

func TestRoles(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		role, needed Role
		may          bool
	}{
		{Admin, Admin, true}, {Admin, Support, true}, {Support, Support, true}, {Support, Admin, false},
		{"", Support, false}, {"a", Support, false}, {"X", Admin, false}, {Admin, "X", false},
	} {
		if c.role.May(c.needed) != c.may {
			t.Errorf("%q may %q: %t", c.role, c.needed, !c.may)
		}
	}
}
