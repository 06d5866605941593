package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"backupmonitor/services/internal/store"
)

// MinSecretBytes is the least length of the key of HS256: as long as its hash.
// Source: RFC 7518, section 3.2.
const MinSecretBytes = 32

const (
	issuer         = "backup-monitor"
	audience       = "backup-monitor-api"
	ticketAudience = "backup-monitor-stream"

	// leeway covers the difference between the clocks of two gateways.
	leeway       = 30 * time.Second
	ticketLeeway = 5 * time.Second

	// TicketLifetime is how long a stream ticket opens streams. It stands in
	// URLs, and so in the logs of proxies.
	TicketLifetime = 30 * time.Second

	stampBytes = 12
)

// ErrBadToken says that a token is not one of ours, or no longer good.
var ErrBadToken = errors.New("bad token")

// Tokens issues and verifies session tokens and stream tickets: HS256 and
// nothing else, with issuer, audience, subject, time of issue and expiry all
// required, and an audience for each of the two.
type Tokens struct {
	secrets  [][]byte // the first signs; all verify
	lifetime time.Duration
	now      func() time.Time
	sessions *jwt.Parser
	tickets  *jwt.Parser
}

// NewTokens refuses a secret shorter than MinSecretBytes and a lifetime that
// is not positive. What was signed with previous, where there is one, is still
// good: while a secret is being changed nobody is signed out.
func NewTokens(secret, previous []byte, lifetime time.Duration, now func() time.Time) (*Tokens, error) {
	if len(secret) < MinSecretBytes {
		return nil, fmt.Errorf("JWT_SECRET_KEY has %d bytes: it needs at least %d", len(secret), MinSecretBytes)
	}
	secrets := [][]byte{secret}
	if len(previous) > 0 {
		if len(previous) < MinSecretBytes {
			return nil, fmt.Errorf("JWT_SECRET_KEY_PREVIOUS has %d bytes: it needs at least %d", len(previous), MinSecretBytes)
		}
		secrets = append(secrets, previous)
	}
	if lifetime <= 0 {
		return nil, fmt.Errorf("JWT_EXPIRATION_HOURS gives a lifetime of %s: it must be positive", lifetime)
	}
	parser := func(audience string, leeway time.Duration) *jwt.Parser {
		return jwt.NewParser(
			jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
			jwt.WithIssuer(issuer),
			jwt.WithAudience(audience),
			jwt.WithExpirationRequired(),
			jwt.WithIssuedAt(),
			jwt.WithLeeway(leeway),
			jwt.WithStrictDecoding(),
			jwt.WithTimeFunc(now),
		)
	}
	return &Tokens{
		secrets: secrets, lifetime: lifetime, now: now,
		sessions: parser(audience, leeway), tickets: parser(ticketAudience, ticketLeeway),
	}, nil
}

// claims are those of both kinds of token.
type claims struct {
	jwt.RegisteredClaims
	// Stamp ties the token to the password and the session epoch, see stamp.
	Stamp string `json:"stp,omitempty"`
	// APIToken tells that the subject of a ticket is an API token's id.
	APIToken bool `json:"api,omitempty"`
	// Session is when the session ends that a ticket was made in.
	Session *jwt.NumericDate `json:"ses,omitempty"`
}

// Session is what a session token says.
type Session struct {
	UserID  string
	Expires time.Time // UTC

	stamp  string
	secret []byte // that it was signed with
}

// Of tells whether the token was made for the user with the password they have
// now, and since their sessions were last ended.
func (s Session) Of(u store.User) bool {
	return s.stamp != "" && hmac.Equal([]byte(s.stamp), []byte(stamp(s.secret, u)))
}

// stamp changes with the password and with the session epoch: a token made before
// a change is worth nothing after it, on every gateway, whoever made the change,
// also where it was taken back. That of the first epoch is as it was before there
// were epochs, so that an upgrade signs nobody out. It says nothing about the password, whose hash is salted and goes through a
// keyed hash.
func stamp(secret []byte, u store.User) string {
	m := hmac.New(sha256.New, secret)
	m.Write([]byte("session of\x00" + u.ID + "\x00" + u.PasswordHash))
	if u.SessionEpoch != "" {
		m.Write([]byte("\x00" + u.SessionEpoch))
	}
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil)[:stampBytes])
}

// Issue makes a session token for u. It names the user and nothing else: role
// and status are read anew with each request.
func (t *Tokens) Issue(u store.User) (string, error) {
	return t.sign(audience, t.lifetime, claims{RegisteredClaims: jwt.RegisteredClaims{Subject: u.ID}, Stamp: stamp(t.secrets[0], u)})
}

func (t *Tokens) sign(audience string, lifetime time.Duration, c claims) (string, error) {
	now := t.now()
	c.Issuer, c.Audience = issuer, jwt.ClaimStrings{audience}
	c.IssuedAt, c.ExpiresAt = jwt.NewNumericDate(now), jwt.NewNumericDate(now.Add(lifetime))
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, c).SignedString(t.secrets[0])
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	return token, nil
}

// Verify reads a session token. Errors wrap ErrBadToken.
func (t *Tokens) Verify(token string) (Session, error) {
	c, secret, err := t.parse(t.sessions, token)
	if err != nil {
		return Session{}, err
	}
	if c.APIToken || c.Stamp == "" {
		return Session{}, fmt.Errorf("%w: it is no session", ErrBadToken)
	}
	return Session{UserID: c.Subject, Expires: c.ExpiresAt.UTC(), stamp: c.Stamp, secret: secret}, nil
}

// parse verifies with one secret after the other, and gives the one that it
// was signed with.
func (t *Tokens) parse(p *jwt.Parser, token string) (c claims, secret []byte, err error) {
	for _, secret = range t.secrets {
		c = claims{}
		_, err = p.ParseWithClaims(token, &c, func(*jwt.Token) (any, error) { return secret, nil })
		if !errors.Is(err, jwt.ErrTokenSignatureInvalid) {
			break
		}
	}
	if err != nil {
		return claims{}, nil, fmt.Errorf("%w: %w", ErrBadToken, err)
	}
	if c.Subject == "" || c.IssuedAt == nil {
		return claims{}, nil, fmt.Errorf("%w: without subject or time of issue", ErrBadToken)
	}
	return c, secret, nil
}

// Ticket is what a stream ticket says.
type Ticket struct {
	Session         // of its maker; Expires is the end of that session
	APIToken string // id, where an API token made it; then there is no user
}

// IssueTicket makes a stream ticket for somebody who has been recognised. The
// streams that it opens end with their session.
func (t *Tokens) IssueTicket(by Caller) (ticket string, expires time.Time, err error) {
	c := claims{Session: jwt.NewNumericDate(by.Expires)}
	if by.APIToken != nil {
		c.Subject, c.APIToken = by.APIToken.ID, true
	} else {
		c.Subject, c.Stamp = by.User.ID, stamp(t.secrets[0], by.User)
	}
	ticket, err = t.sign(ticketAudience, TicketLifetime, c)
	return ticket, t.now().Add(TicketLifetime).UTC(), err
}

// VerifyTicket reads a stream ticket. Errors wrap ErrBadToken.
func (t *Tokens) VerifyTicket(ticket string) (Ticket, error) {
	c, secret, err := t.parse(t.tickets, ticket)
	switch {
	case err != nil:
		return Ticket{}, err
	case c.Session == nil || c.APIToken != (c.Stamp == ""):
		return Ticket{}, fmt.Errorf("%w: it is no ticket", ErrBadToken)
	}
	k := Ticket{Session: Session{Expires: c.Session.UTC(), stamp: c.Stamp, secret: secret}}
	if c.APIToken {
		k.APIToken = c.Subject
	} else {
		k.UserID = c.Subject
	}
	return k, nil
}
