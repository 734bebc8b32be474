// Lets the functions give the Istio add-on of AKS its CA, by secrets of the vault that the add-on reads; deployed into that vault's own group.
param vaultName string
param functionsPrincipalId string

var secretsOfficer = 'b86a8fe4-44ce-4948-aee5-eccb2c155cd7'

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' existing = {
  name: vaultName
}

@description('The Istio add-on of AKS takes its CA from secrets of this vault: they are written, and older versions disabled.')
resource addonSecretsRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault.id, functionsPrincipalId, secretsOfficer)
  scope: vault
  properties: {
    principalId: functionsPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', secretsOfficer)
  }
}
