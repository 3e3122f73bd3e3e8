-- Lost: mail that was still to be sent, and the links of mail that was. They are asked for again.
DROP TABLE mailed_token;
