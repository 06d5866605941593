package smbserver

import (
	"bytes"
	"crypto/hmac"
)

// signIn takes the client's token, raw NTLMSSP or SPNEGO, and gives the server's. It fails with
// StatusMoreProcessingRequired, which comes with a token, or with the status that ends the attempt.
func (c *conversation) signIn(s *session, token []byte) ([]byte, error) {
	if bytes.HasPrefix(token, []byte(ntlmSignature)) {
		return c.stepNTLM(s, token)
	}
	t, ok := decodeSPNEGO(token)
	if !ok {
		return nil, StatusInvalidParameter
	}
	if t.mechTypes != nil {
		s.mech = bytes.Clone(t.mechTypes)
		if !t.ntlmKnown {
			return nil, StatusLogonFailure
		}
		if !t.ntlmFirst || t.mechToken == nil {
			return encodeSPNEGO(spnegoRequestMIC, true, nil, nil), StatusMoreProcessingRequired
		}
	}
	reply, err := c.stepNTLM(s, t.mechToken)
	if statusOf(err) == StatusMoreProcessingRequired {
		return encodeSPNEGO(spnegoIncomplete, true, reply, nil), err
	}
	if err != nil {
		return nil, err
	}
	if t.mic == nil {
		return encodeSPNEGO(spnegoCompleted, false, nil, nil), nil
	}
	if !hmac.Equal(t.mic, s.ntlm.mic(s.mech, true)) {
		return nil, StatusLogonFailure
	}
	return encodeSPNEGO(spnegoCompleted, false, nil, s.ntlm.mic(s.mech, false)), nil
}

// stepNTLM takes NTLM's first or second message.
func (c *conversation) stepNTLM(s *session, message []byte) ([]byte, error) {
	host := c.server.config.Host
	if s.ntlm.challenge == nil {
		challenge, ok := s.ntlm.start(message, host.Name(), host.Clock())
		if !ok {
			return nil, StatusInvalidParameter
		}
		return challenge, StatusMoreProcessingRequired
	}
	account, err := s.ntlm.authenticate(message, host.Account)
	if err != nil {
		return nil, err
	}
	if account.Refusal != StatusOK {
		return nil, account.Refusal
	}
	return []byte{}, nil
}
