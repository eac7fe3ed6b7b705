//! What stands between an operator and its right side: `bool`, `on`, `group_left`, `fill` and their like.

use super::ParseError;
use super::parser::Parser;
use super::token::{Keyword, TokenKind};
use crate::ast::{BinaryOp, Cardinality, Matching};

impl Parser<'_> {
    /// Whether there is a `bool`, and how the sides match.
    pub(super) fn matching(&mut self) -> Result<(bool, Matching), ParseError> {
        let mut matching = Matching::default();
        let return_bool = self.accept(TokenKind::Keyword(Keyword::Bool))?.is_some();
        matching.on = match self.peek()?.kind {
            TokenKind::Keyword(Keyword::On) => true,
            TokenKind::Keyword(Keyword::Ignoring) => false,
            _ => {
                self.fills(&mut matching)?;
                return Ok((return_bool, matching));
            }
        };
        self.bump()?;
        (matching.labels, _) = self.label_names()?;
        let cardinality = match self.peek()?.kind {
            TokenKind::Keyword(Keyword::GroupLeft) => Some(Cardinality::ManyToOne),
            TokenKind::Keyword(Keyword::GroupRight) => Some(Cardinality::OneToMany),
            _ => None,
        };
        if let Some(cardinality) = cardinality {
            self.bump()?;
            matching.cardinality = cardinality;
            // Upstream takes what can begin no expression for a list of labels gone wrong.
            if !self.peek()?.kind.begins_expression() || self.is_next(TokenKind::LeftParen)? {
                (matching.include, _) = self.label_names()?;
            }
        }
        self.fills(&mut matching)?;
        Ok((return_bool, matching))
    }

    /// `fill`, or `fill_left` and `fill_right` in either order.
    fn fills(&mut self, matching: &mut Matching) -> Result<(), ParseError> {
        let TokenKind::Keyword(first) = self.peek()?.kind else { return Ok(()) };
        let fill = &mut matching.fill;
        match first {
            Keyword::Fill => {
                let value = self.fill_value()?;
                (fill.left, fill.right) = (Some(value), Some(value));
            }
            Keyword::FillLeft => {
                fill.left = Some(self.fill_value()?);
                if self.is_next(TokenKind::Keyword(Keyword::FillRight))? {
                    fill.right = Some(self.fill_value()?);
                }
            }
            Keyword::FillRight => {
                fill.right = Some(self.fill_value()?);
                if self.is_next(TokenKind::Keyword(Keyword::FillLeft))? {
                    fill.left = Some(self.fill_value()?);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// `fill (-1)`
    fn fill_value(&mut self) -> Result<f64, ParseError> {
        self.bump()?;
        self.expect(TokenKind::LeftParen)?;
        let value = self.signed_number()?;
        self.expect(TokenKind::RightParen)?;
        Ok(value)
    }

    /// A number or duration with at most one sign.
    pub(super) fn signed_number(&mut self) -> Result<f64, ParseError> {
        let sign = match self.peek()?.kind {
            TokenKind::Operator(BinaryOp::Add) => 1.0,
            TokenKind::Operator(BinaryOp::Sub) => -1.0,
            _ => return self.number().map(|literal| literal.value),
        };
        self.bump()?;
        Ok(sign * self.number()?.value)
    }
}
