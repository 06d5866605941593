package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"backupmonitor/services/internal/store"
)

// Scope is what an API token may do. No scope may change anything.
type Scope string

// The scopes.
const (
	// ScopeDisplay is for wall screens: the lists and live streams that a
	// screen shows.
	ScopeDisplay Scope = "display"
	// ScopeRead is for scripts: everything that a Support may read.
	ScopeRead Scope = "read"
)

// Scopes lists every scope.
func Scopes() []Scope { return []Scope{ScopeRead, ScopeDisplay} }

// May tells whether a token of scope s may do what needs scope needed, "" for
// what is for users alone.
func (s Scope) May(needed Scope) bool {
	switch s {
	case ScopeRead:
		return needed == ScopeRead || needed == ScopeDisplay
	case ScopeDisplay:
		return needed == ScopeDisplay
	}
	return false
}

const (
	// tokenPrefix lets scanners for leaked secrets find tokens.
	tokenPrefix = "bmt_"
	// unending is when the session of a token without an end would end: a
	// stream has to have some end.
	unending = 24 * time.Hour
	// usedEvery is how exactly the last use of a token is known.
	usedEvery = time.Minute
)

// NewAPIToken makes a token: the text, which is shown once, and what is kept of
// it. The random part has 130 bits, so that a plain hash of it is as good as
// any.
func NewAPIToken(name string, scope Scope, by string, now time.Time, expires *time.Time) (text string, t store.APIToken) {
	id := strings.ToLower(rand.Text()[:12])
	text = tokenPrefix + id + "_" + rand.Text()
	return text, store.APIToken{
		ID: id, Name: name, Scope: string(scope), Hash: hashToken(text), CreatedBy: by, CreatedAt: now.UTC(), ExpiresAt: expires,
	}
}

func hashToken(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// apiTokenID is the id that the text of a token names, false where it is none.
func apiTokenID(text string) (id string, ok bool) {
	rest, ok := strings.CutPrefix(text, tokenPrefix)
	id, secret, cut := strings.Cut(rest, "_")
	return id, ok && cut && id != "" && secret != "" && len(text) < 100
}

// recogniseAPIToken gives the caller that a token's text is.
func (a *Auth) recogniseAPIToken(ctx context.Context, text, id string) (Caller, error) {
	t, err := a.apiToken(ctx, id)
	if err != nil {
		return Caller{}, err
	}
	if subtle.ConstantTimeCompare([]byte(t.Hash), []byte(hashToken(text))) != 1 {
		return Caller{}, fmt.Errorf("%w: no API token is like that", ErrBadToken)
	}
	return a.callerOf(t, a.Now().Add(unending)), nil
}

// apiToken finds a token that is good now. Errors: ErrBadToken, the store's.
func (a *Auth) apiToken(ctx context.Context, id string) (store.APIToken, error) {
	t, err := a.Users.APIToken(ctx, id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return t, fmt.Errorf("%w: there is no such API token", ErrBadToken)
	case err != nil:
		return t, fmt.Errorf("look up an API token: %w", err)
	case t.RevokedAt != nil:
		return t, fmt.Errorf("%w: the API token was revoked", ErrBadToken)
	case t.ExpiresAt != nil && !a.Now().Before(*t.ExpiresAt):
		return t, fmt.Errorf("%w: the API token has ended", ErrBadToken)
	}
	return t, nil
}

func (a *Auth) callerOf(t store.APIToken, expires time.Time) Caller {
	if t.ExpiresAt != nil && t.ExpiresAt.Before(expires) {
		expires = *t.ExpiresAt
	}
	return Caller{APIToken: &t, Scope: Scope(t.Scope), Expires: expires.UTC()}
}

// UseIsDue tells whether it is to be noted that an API token is used: once a
// minute at most. Of a user it never is.
func (a *Auth) UseIsDue(c Caller) bool {
	return c.APIToken != nil && (c.APIToken.LastUsedAt == nil || a.Now().Sub(*c.APIToken.LastUsedAt) >= usedEvery)
}

// Used notes that an API token was used. A failure is only logged: nobody waits
// for it.
func (a *Auth) Used(ctx context.Context, c Caller, address string) {
	if err := a.Users.APITokenUsed(ctx, c.APIToken.ID, a.Now().Truncate(usedEvery), address); err != nil && ctx.Err() == nil {
		a.Logger.WarnContext(ctx, "The last use of an API token is not noted.", logError(err))
	}
}
