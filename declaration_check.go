package greenlane

import (
	"encoding/json"
	"fmt"
	"math/big"
	"regexp"
	"strings"
	"unicode/utf8"
)

// MaxLRNLength is the longest Local Reference Number, in characters (EU customs data model,
// data element 2/5: an..22).
const MaxLRNLength = 22

var (
	countryForm  = regexp.MustCompile(`^[A-Z]{2}$`)
	currencyForm = regexp.MustCompile(`^[A-Z]{3}$`)
	// EU and UK: country and up to 15 characters.
	eoriForm = regexp.MustCompile(`^[A-Z]{2}[A-Z0-9]{1,15}$`)
	// A customs office is its country and six characters.
	officeForm = regexp.MustCompile(`^[A-Z]{2}[A-Z0-9]{6}$`)
	numberForm = regexp.MustCompile(`^-?[0-9]{1,20}(\.[0-9]{1,20})?$`)
	// 6 digits of the Harmonized System, 8 of the Combined Nomenclature, 10 of
	// TARIC or a national tariff.
	commodityForm = regexp.MustCompile(`^[0-9]{6}([0-9]{2}([0-9]{2})?)?$`)
)

// check says what is wrong with what was declared. It judges what is there: a
// declaration may be registered without the parts that the filing system adds.
func (c *DeclarationContent) check(lrn string) []CustomsError {
	var p problems
	p.when(utf8.RuneCountInString(lrn) > MaxLRNLength, "lrn", lrn, "must have at most 22 characters")
	p.form(officeForm, "declarationOffice", c.DeclarationOffice, "must be a country and six characters, such as NL000850")
	p.party("exporter", c.Exporter)
	p.party("consignee", c.Consignee)
	for i := range c.Items {
		p.item(fmt.Sprintf("items[%d].", i), &c.Items[i])
	}
	return p.found
}

type problems struct{ found []CustomsError }

func (p *problems) when(wrong bool, path, value, message string) {
	if wrong {
		p.found = append(p.found, CustomsError{Text: path + " " + message, Path: path, Original: value})
	}
}

func (p *problems) form(form *regexp.Regexp, path, value, message string) {
	p.when(value != "" && !form.MatchString(value), path, value, message)
}

func (p *problems) party(path string, party *Party) {
	if party == nil {
		return
	}
	p.form(countryForm, path+".countryCode", party.CountryCode, "must be a two-letter country code")
	p.form(eoriForm, path+".eoriNo", party.EORINo, "must be a country and up to 15 letters and digits")
}

func (p *problems) item(path string, it *GoodsItem) {
	code := strings.NewReplacer(".", "", " ", "").Replace(it.CommodityCode)
	p.when(code == "", path+"commodityCode", "", "is missing")
	p.form(commodityForm, path+"commodityCode", code, "must be a tariff code of 6, 8 or 10 digits")
	if len(code) >= 2 {
		chapter := code[:2]
		// Chapter 77 is reserved; there is no chapter 00.
		p.when(chapter == "00" || chapter == "77", path+"commodityCode", code, "names the chapter "+chapter+", which does not exist")
	}
	p.form(countryForm, path+"originCountry", it.OriginCountry, "must be a two-letter country code")
	p.form(currencyForm, path+"currency", it.Currency, "must be a three-letter currency code")
	p.positive(path+"quantity", it.Quantity, false)
	p.positive(path+"value", it.Value, true)
	net, gross := p.positive(path+"netMass", it.NetMass, true), p.positive(path+"grossMass", it.GrossMass, true)
	p.when(net != nil && gross != nil && net.Cmp(gross) > 0, path+"netMass", string(it.NetMass), "is more than the gross mass")
}

// positive reads a number exactly and reports one that is negative, or zero
// where that makes no sense.
func (p *problems) positive(path string, n json.Number, zero bool) *big.Rat {
	if n == "" {
		return nil
	}
	// The form comes first: an exponent would make an exact number of any size.
	v, ok := new(big.Rat), numberForm.MatchString(string(n))
	if ok {
		v, ok = v.SetString(string(n))
	}
	if !ok {
		p.when(true, path, string(n), "must be a plain decimal number of at most 20 digits before and after the point")
		return nil
	}
	p.when(v.Sign() < 0 || v.Sign() == 0 && !zero, path, string(n), "must be greater than zero")
	return v
}
