// Package filter judges events by expressions in CEL, the Common Expression
// Language: an expression and an event in, yes or no out.
//
// An expression has one variable, event, with the members of the canonical
// event. The envelope is typed, so that a member that does not exist is refused
// when the expression is compiled; data and detail are dynamic. The verdict on
// an event depends on the expression and the event alone: there is no clock, no
// chance and no state, and what an evaluation may cost is counted in steps and
// not in time. So it is the same whenever and wherever it is asked for.
package filter

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/interpreter"
)

const (
	// MaxLength is the longest expression, in bytes.
	MaxLength = 2000
	// MaxCost is how many steps one evaluation may take: one for each member,
	// comparison and turn of a loop, more for long texts.
	MaxCost = 10_000
	// zoneCost is what it costs to look up a time zone by name: files are read.
	zoneCost = 500
	// interruptEvery is after how many turns of a loop an evaluation looks
	// whether anybody still waits for it.
	interruptEvery = 100
	// maxDepth is how deep an expression may nest. What it takes to check types
	// grows with the cube of that: seconds at the library's own limit.
	maxDepth = 25
	// maxPattern is how large the program of a regular expression may be. What it
	// takes to make one, and to run it, is not counted in steps.
	maxPattern = 2000
	// maxProblems is how many problems of one expression are told of.
	maxProblems = 3
)

// Filter is a compiled expression. It may be used from any goroutine.
type Filter struct{ program cel.Program }

// Problem is one thing that is wrong with an expression.
type Problem struct {
	// Line and Column count from 1; a column is a character.
	Line, Column int
	Message      string
}

// Error says why an expression can't be compiled.
type Error struct{ Problems []Problem }

// Error tells of all problems in one line.
func (e *Error) Error() string {
	texts := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		texts[i] = p.String()
	}
	return strings.Join(texts, "; ")
}

// String tells of the problem and where it is.
func (p Problem) String() string {
	return fmt.Sprintf("line %d, column %d: %s", p.Line, p.Column, p.Message)
}

func wrong(format string, args ...any) error {
	return &Error{[]Problem{{Line: 1, Column: 1, Message: fmt.Sprintf(format, args...)}}}
}

// language is what expressions are written in. It is made when the first one is
// compiled, because most hubs have none, and never changes.
var language = sync.OnceValues(newLanguage)

func newLanguage() (*cel.Env, error) {
	registry, err := types.NewRegistry()
	if err != nil {
		return nil, err
	}
	p := &provider{registry, envelope()}
	env, err := cel.NewEnv(
		cel.CustomTypeProvider(p), cel.CustomTypeAdapter(registry),
		cel.Variable("event", kindEvent.typ()),
		cel.ParserRecursionLimit(maxDepth), cel.CrossTypeNumericComparisons(true), cel.OptionalTypes(),
		cel.ASTValidators(cel.ValidateRegexLiterals(), cel.ValidateTimestampLiterals(), cel.ValidateDurationLiterals(), writtenPatterns{}),
		cel.RegexProgramSizeLimit(maxPattern),
	)
	if err == nil {
		// The library makes its list of names, for "did you mean", with the first
		// mistake, while others read it unguarded: checker.Env.Catalog and
		// cloneWithDecls of cel-go 0.33.2. So the first mistake is made here.
		env.Compile("no.such")
	}
	return env, err
}

// writtenPatterns refuses a regular expression that is put together while events
// are judged: it would be compiled for each, at a cost that no count of steps
// shows.
type writtenPatterns struct{}

// Name implements [cel.ASTValidator].
func (writtenPatterns) Name() string { return "greenlane.written_patterns" }

// Validate implements [cel.ASTValidator].
func (writtenPatterns) Validate(_ *cel.Env, _ cel.ValidatorConfig, a *ast.AST, issues *cel.Issues) {
	for _, call := range ast.MatchDescendants(ast.NavigateAST(a), ast.FunctionMatcher(overloads.Matches)) {
		args := call.AsCall().Args()
		if pattern := args[len(args)-1]; pattern.Kind() != ast.LiteralKind {
			issues.ReportErrorAtID(pattern.ID(), "the pattern of matches must be written as a text")
		}
	}
}

// Compile reads an expression. What is wrong with it is an [*Error].
func Compile(text string) (*Filter, error) {
	if len(text) > MaxLength {
		return nil, wrong("must have at most %d bytes, has %d", MaxLength, len(text))
	}
	env, err := language()
	if err != nil {
		return nil, fmt.Errorf("make the filter language: %w", err)
	}
	checked, issues := env.Compile(text)
	if issues.Err() != nil {
		return nil, problems(issues.Errors())
	}
	if t := checked.OutputType(); !t.IsExactType(cel.BoolType) && !t.IsExactType(cel.DynType) {
		return nil, wrong("must be true or false, is %s", typeName(t))
	}
	program, err := env.Program(checked, cel.EvalOptions(cel.OptOptimize), cel.CostTracking(nil), cel.CostLimit(MaxCost),
		cel.CostTrackerOptions(zoneCosts()...), cel.InterruptCheckFrequency(interruptEvery))
	if err != nil {
		return nil, wrong("%v", err)
	}
	return &Filter{program}, nil
}

// zoneCosts makes names of time zones dear.
func zoneCosts() []cost.TrackerOption {
	var options []cost.TrackerOption
	for _, part := range []string{"year", "month", "day_of_year", "day_of_month", "day_of_month_1_based", "day_of_week",
		"hours", "minutes", "seconds", "milliseconds"} {
		options = append(options, cost.OverloadTracker("timestamp_to_"+part+"_with_tz", func([]ref.Val, ref.Val) *uint64 {
			c := uint64(zoneCost)
			return &c
		}))
	}
	return options
}

// problems puts the compiler's words into ours.
func problems(errs []*common.Error) error {
	e := &Error{}
	for _, err := range errs {
		message := err.Message
		// Which tokens the grammar would take fills a page.
		message, _, _ = strings.Cut(message, ", expecting ")
		message, _, _ = strings.Cut(message, " expecting ")
		message = strings.TrimPrefix(message, "Syntax error: ")
		// What concerns the whole has no place.
		e.Problems = append(e.Problems, Problem{max(1, err.Location.Line()), max(1, err.Location.Column()+1), message})
		if len(e.Problems) == maxProblems {
			break
		}
	}
	return e
}

func typeName(t *cel.Type) string {
	if t.Kind() == types.StructKind {
		return t.TypeName()
	}
	return "of type " + t.String()
}

// Matches reports whether an event is one the expression asks for. An error says
// why that can't be told; it is then for the caller to decide. When ctx ends
// first the error is its cause. An Input must not be used by two goroutines at a
// time.
func (f *Filter) Matches(ctx context.Context, in *Input) (bool, error) {
	out, _, err := f.program.ContextEval(ctx, in)
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	var stopped interpreter.EvalCancelledError
	if errors.As(err, &stopped) {
		return false, fmt.Errorf("takes more than %d steps", MaxCost)
	}
	if err != nil {
		return false, err
	}
	verdict, ok := out.(types.Bool)
	if !ok {
		return false, fmt.Errorf("is %s, neither true nor false", out.Type().TypeName())
	}
	return bool(verdict), nil
}
