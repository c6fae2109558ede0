package berth

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Validate checks every bound of a normalized request; its errors are *FieldError.
func (r Request) Validate() error {
	if err := r.ValidateFields(); err != nil {
		return err
	}
	b, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode request %s: %w", r.ID, err)
	}
	return CheckContent(r.ID, b)
}

var requestChecks = []func(Request) error{
	Request.validateNames, Request.validateCommand, Request.validateSelectors, Request.validateRelations, Request.validateTimes, Request.validateGroup, Request.validateDrain, Request.validatePreemption,
	func(r Request) error { return inField("resources.", r.Resources.validate()) },
}

// ValidateFields is Validate of all but the size of the whole, for who has its JSON.
func (r Request) ValidateFields() error {
	for _, check := range requestChecks {
		if err := check(r); err != nil {
			return err
		}
	}
	return nil
}

// ValidateCounted is ValidateFields of the numbers that a scheduler counts with: for who reads
// what was accepted before, maybe by a program that had other rules.
func (r *Request) ValidateCounted() error {
	if err := checkRange("priority", int64(r.Priority), 0, MaxPriority); err != nil {
		return err
	}
	if m := r.Group; m != nil {
		if err := m.validateCounts(); err != nil {
			return err
		}
	}
	return inField("resources.", r.Resources.validateCounts())
}

// CheckContent bounds a request by its JSON.
func CheckContent(id RequestID, content []byte) error {
	if n := len(content); n > MaxRequestBytes {
		return &FieldError{Field: "request " + string(id), Problem: fmt.Sprintf("is %d bytes", n), Bound: fmt.Sprintf("at most %d bytes of JSON", MaxRequestBytes)}
	}
	return nil
}

func (r Request) validateNames() error {
	if err := CheckID("id", string(r.ID)); err != nil {
		return err
	}
	if err := CheckID("tenant", string(r.Tenant)); err != nil {
		return err
	}
	if err := CheckID("pool", string(r.Pool)); err != nil {
		return err
	}
	if err := checkText("user", r.User, MaxLabelBytes); err != nil {
		return err
	}
	if err := checkText("image", r.Image, MaxPathBytes); err != nil {
		return err
	}
	if err := checkText("affinity_key", r.AffinityKey, MaxLabelBytes); err != nil {
		return err
	}
	return checkRange("priority", int64(r.Priority), 0, MaxPriority)
}

func (r Request) validateCommand() error {
	if len(r.Command) == 0 || r.Command[0] == "" {
		return &FieldError{Field: "command", Problem: "is empty", Bound: fmt.Sprintf("the program and its arguments, 1 to %d", MaxCommandArgs)}
	}
	if err := checkCount("command", len(r.Command), MaxCommandArgs); err != nil {
		return err
	}
	for i, arg := range r.Command {
		if err := checkText(fmt.Sprintf("command[%d]", i), arg, MaxRequestBytes); err != nil {
			return err
		}
	}
	if err := checkText("dir", r.Dir, MaxPathBytes); err != nil {
		return err
	}
	if r.Dir != "" && !strings.HasPrefix(r.Dir, "/") {
		return &FieldError{Field: "dir", Value: clip(r.Dir), Problem: "is not absolute", Bound: fmt.Sprintf("a path of at most %d bytes that begins with /", MaxPathBytes)}
	}
	if err := checkCount("env", len(r.Env), MaxEnvVars); err != nil {
		return err
	}
	for _, name := range sortedKeys(r.Env) {
		if name == "" || strings.ContainsRune(name, '=') {
			return &FieldError{Field: "env", Value: clip(name), Problem: "is no variable name", Bound: textBound(MaxLabelBytes) + ", without '='"}
		}
		if err := checkText("env", name, MaxLabelBytes); err != nil {
			return err
		}
		if err := checkText("env."+clip(name), r.Env[name], MaxRequestBytes); err != nil {
			return err
		}
	}
	return nil
}

func (r Request) validateSelectors() error {
	if err := ValidateLabels("labels", r.Labels); err != nil {
		return err
	}
	if err := validateConstraints("constraints", r.Constraints); err != nil {
		return err
	}
	return validateTolerations(r.Tolerations)
}

func (r Request) validateTimes() error {
	if err := r.Retry.validate(); err != nil {
		return err
	}
	for _, f := range []struct {
		name      string
		v         int64
		low, high int64
	}{
		{"stop_timeout_ms", r.StopTimeoutMS, 1, MaxStopMS},
		{"start_timeout_ms", r.StartTimeoutMS, 100, MaxDurationMS},
		{"run_limit_ms", r.RunLimitMS, 0, MaxDurationMS},
		{"pending_limit_ms", r.PendingLimitMS, 0, MaxDurationMS},
		{"on_disconnect_keep_ms", r.KeepMS, 0, MaxDurationMS},
	} {
		if err := checkRange(f.name, f.v, f.low, f.high); err != nil {
			return err
		}
	}
	return nil
}

// ValidateWarmKeys checks the affinity keys that a worker says are warm on it.
func ValidateWarmKeys(field string, keys []string) error {
	if err := checkCount(field, len(keys), MaxWarmKeys); err != nil {
		return err
	}
	return validateNamed(field, "an affinity key", keys, MaxLabelBytes)
}

// ValidateWarmImages checks the images that a worker says are on it.
func ValidateWarmImages(field string, images []string) error {
	if err := checkCount(field, len(images), MaxWarmImages); err != nil {
		return err
	}
	return validateNamed(field, "the name of an image", images, MaxPathBytes)
}

// validateNamed checks a list of names of something, none of which is empty.
func validateNamed(field, what string, names []string, most int) error {
	for i, v := range names {
		name := fmt.Sprintf("%s[%d]", field, i)
		if v == "" {
			return &FieldError{Field: name, Problem: "is empty", Bound: what + ", " + textBound(most)}
		}
		if err := checkText(name, v, most); err != nil {
			return err
		}
	}
	return nil
}

// ValidateLabels checks the bounds of a label map.
func ValidateLabels(field string, labels map[string]string) error {
	if err := checkCount(field, len(labels), MaxLabels); err != nil {
		return err
	}
	for _, name := range sortedKeys(labels) {
		if name == "" {
			return &FieldError{Field: field, Problem: "has an empty name", Bound: textBound(MaxLabelBytes)}
		}
		if err := checkText(field, name, MaxLabelBytes); err != nil {
			return err
		}
		if err := checkText(field+"."+clip(name), labels[name], MaxLabelBytes); err != nil {
			return err
		}
	}
	return nil
}

// textRule is what all text keeps to.
const textRule = "UTF-8 without NUL bytes"

// textBound is of text that must not be empty.
func textBound(most int) string { return fmt.Sprintf("1 to %d bytes", most) }

// checkText bounds a string that ends up in JSON, argv or the environment.
func checkText(field, v string, most int) error {
	if err := checkBytes(field, v, most); err != nil {
		return err
	}
	if strings.ContainsRune(v, 0) {
		return &FieldError{Field: field, Problem: "has a NUL byte", Bound: textRule}
	}
	if !utf8.ValidString(v) {
		return &FieldError{Field: field, Problem: "is not UTF-8", Bound: textRule}
	}
	return nil
}
